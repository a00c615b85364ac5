"""Words about days, and the clue each gives. The text is in plain spelling: weeks are 「周」, stops are 「,」."""

from handlers.when.clues import Day, Mark, Third, Two, Unclear, Word
from handlers.when.counted_said import COUNTED
from handlers.when.feasts_said import FEASTS
from handlers.when.meaning import Why
from handlers.when.numbers_said import (
    COUNT,
    DAY_NUMBER,
    DOW,
    HOUR,
    MONTH_NUMBER,
    ONE_TO_NINE,
    PARTS_SAID,
    TO,
    Found,
    Reader,
    number,
)

WHICH = r"(?:(?<![线网马])[上下]+|这|本|当|今)"
NO_HOUR = r"(?![点时次:]|节课?)"
# 「1号楼」 is a place.
NO_PLACE = r"(?!楼|线|教|馆|宿|公寓|院|室|机|门|桌|食堂|窗|厅|间|码|房)"

_DOW = {c: i for i, c in enumerate("一二三四五六日")} | {"天": 6} | {str(i + 1): i for i in range(7)}
_OFFSETS = {"今天": 0, "明天": 1, "后天": 2, "大后天": 3, "大大后天": 4, "昨天": -1, "前天": -2, "大前天": -3}
_YEARS = {"今年": 0, "本年": 0, "明年": 1, "下年": 1, "去年": -1, "后年": 2, "前年": -2}
_CENTURY = 2000
_LAST_CENTURY = 50
_MONTHS = 12
_LAST_HOUR = 22


def which_week(said: str | None) -> int | None:
    """「下下」 → 2, 「这」 → 0, nothing → None."""
    if not said:
        return None
    return {"下": len(said), "上": -len(said)}.get(said[0], 0)


def _weekday(found: Found) -> list[Word]:
    return [Day(weekday=_DOW[found["dow"]], weeks=which_week(found["which"]))]


def _weekdays(found: Found) -> list[Word]:
    """「周二三四」: one clue a day; the first says which week."""
    days = [_DOW[c] for c in found["dows"] if c in _DOW]
    if days != sorted(set(days)):
        return []
    first = Day(weekday=days[0], weeks=which_week(found["which"]))
    return [first, *(Day(weekday=day) for day in days[1:])]


def _year(found: Found) -> list[Word]:
    said = found["year"]
    digits = "".join(str("零一二三四五六七八九".find(c.replace("〇", "零"))) if not c.isdecimal() else c for c in said)
    year = int(digits)
    return [Day(year=year if len(digits) > 2 else _CENTURY + year)]  # noqa: PLR2004 — 「26年」


def _full_year(said: str) -> int:
    """「26」 → 2026, 「98」 → 1998."""
    year = int(said)
    return year if year > _CENTURY // 2 else year + _CENTURY - 100 * (year >= _LAST_CENTURY)


def _date(found: Found) -> list[Word]:
    return [Day(year=_full_year(found["y"]), month=int(found["m"]), day=int(found["d"]))]


def _foreign_date(found: Found) -> list[Word]:
    """「12/31/2026」; a question when both numbers could be the month."""
    a, b, year = int(found["a"]), int(found["b"]), _full_year(found["y"])
    if a == b or max(a, b) > _MONTHS:
        return [Day(year=year, month=min(a, b), day=max(a, b))]
    return [Unclear(Why.SEVERAL, spoils=True)]


def _month_day(found: Found) -> list[Word]:
    return [Day(month=number(found["m"]), day=number(found["d"]))]


def _month(found: Found) -> list[Word]:
    return [Day(month=number(found["m"]))]


def _third(found: Found) -> list[Word]:
    said = found[0]
    third = Third.EARLY if {"初", "上"} & set(said) else Third.MIDDLE if "中" in said else Third.LATE
    return [Day(third=third)]


def _nth(found: Found) -> list[Word]:
    nth = -1 if found["n"] is None else number(found["n"])
    return [Day(nth=nth, weekday=_DOW[found["dow"]])]


def _two(found: Found) -> list[Word]:
    first, second, sign = int(found["a"]), int(found["b"]), found["sign"]
    if sign == "-" and found.string[: found.start()].endswith(PARTS_SAID):
        return []  # 「下午2-4」
    hours = sign == "-" and first < second <= _LAST_HOUR
    return [Two(first, second, may_be_clock=sign == "." and len(found["b"]) == 2, may_be_hours=hours)]  # noqa: PLR2004


def _packed(found: Found) -> list[Word]:
    return [Two(int(found["a"]), int(found["b"]))]


def _unclear(_: Found) -> list[Word]:
    return [Unclear(Why.VAGUE, spoils=True)]


def _pair(found: Found) -> list[Word]:
    first, last = "今明后".find(found["a"]), "今明后".find(found["b"][-1])
    return [Day(window=(first, last))] if first < last else []


def _weekend(found: Found) -> Day:
    return Day(weekend=True, weeks=which_week(found["which"]))


def _term_week(found: Found) -> list[Word]:
    week = Day(term_week=number(found["n"] or found["n2"]))
    return [week.plus(Day(weekday=_DOW[found["dow"]]))] if found["dow"] else [week]


# 「放学后五点半」 is clear.
_NO_CLOCK = rf"(?!{HOUR}(?:点|:))"
# What no calendar tells: 「过几天」, 「考完试」, 「放学后」, 「晚点」, 「工作日」.
_NOT_YET_KNOWN = (
    r"过(?:几|两|些)(?:天|日|周)|过一?(?:阵|段)[子时]?间?|[这那](?:几|一?两|些)[天日]|改天|几天[后内]|近几天|某天|随后"
    rf"|考完试?后?|(?:期[末中])?考试周|期[末中](?:考试)?[前后]?|放假[前后了]?|[寒暑]假[前后]?|放学(?!后?{HOUR}[点:])后?|开学[后前]?|[早午晚]?饭[后前]{_NO_CLOCK}|下班(?!后?{HOUR}[点:])后?|[单双]周(?=周)"
    r"|回头|待会儿?|等会儿?|一会儿?|稍后|[早晚]一?[点些]|过后|周[初中]|半夜|(?<=年)[初底中末](?!之?以?前)|年[初底末](?!之?以?前)|过[完了]?年"
    r"|[上下前后]半个?[年月学]|[第一二三四1-4前后q][一二三四1-4两]?个?季度?|年代|世纪|年伊始|(?<=年)的?(?:[前后](?=[\d一两二三四])|最[前后]|第(?=[一二三四五六七八九十\d]+[个天]))|下午茶|工作日|平时|平日|几个?(?:小时|周|月)后|节[后前](?!\d)|农历|正月|腊月"
)
_NO_SUCH_DAY = (
    rf"(?<!\d)(?:1[3-9]|[2-9]\d|0+|十[三四五六七八九]|[二三四五六七八九]十{ONE_TO_NINE}?)月(?!底)"
    rf"|(?<!\d)(?:3[2-9]|[4-9]\d|0+|三十[二三四五六七八九]|[四五六七八九]十{ONE_TO_NINE}?)[号日]{NO_PLACE}(?![之以内后前])"
    r"|(?<![一两几\d])周[七八九089](?=$|[,早上下中晚吧可行])|含(?=[)之以前]|当天)"
)

DAYS: dict[str, tuple[str, Reader]] = {
    "every": (r"每个?(?=[周天月晚早逢]|星)天?|天天|隔周|每逢", lambda _: [Mark.EVERY]),
    "open": (
        r"有[空时]间?的?时候?再?|有空再|几[点号日]|周几|哪[一]?[天周]|什么时[候间]|啥时候?|哪个?时间|最近的?|近期|近来|随时|这段时间",
        lambda _: [Unclear(Why.VAGUE)],
    ),
    "vague": (_NOT_YET_KNOWN, _unclear),
    "date": (r"(?<!\d)(?P<y>20\d\d)\s*[-/.年]\s*(?P<m>\d{1,2})\s*[-/.月]\s*(?P<d>\d{1,2})(?!\d)[号日]?", _date),
    "date_last_year": (r"(?<!\d)(?P<a>\d{1,2})[/-](?P<b>\d{1,2})[/-](?P<y>20\d\d|[2-9]\d)(?!\d)", _foreign_date),
    "date_short": (
        r"(?<![\d.:/-])(?P<y>2[4-9]|3\d)[-/.](?P<m>0?[1-9]|1[0-2])[-/.](?P<d>0?[1-9]|[12]\d|3[01])(?![\d.:/-])[号日]?",
        _date,
    ),
    "three_numbers": (
        r"(?<![\d.:/-])\d{1,2}[-/]\d{1,2}[-/]\d{1,2}(?![\d.:/节])",
        lambda _: [Unclear(Why.SEVERAL, spoils=True)],
    ),
    "date8": (r"(?<!\d)(?P<y>20\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?!\d)", _date),
    "dotted_day": (rf"(?<!\d)(?P<m>{MONTH_NUMBER})\s*[./]\s*(?P<d>{DAY_NUMBER})[号日]{NO_PLACE}", _month_day),
    "year": (r"(?<!\d)(?P<year>\d{4}|\d{2}(?=年(?![前后之以内]))|[零〇一二三四五六七八九\d]{4})年(?![级代])", _year),
    "year_word": (r"(?P<word>[今明去后前本]年|下年)(?!级)", lambda it: [Day(years=_YEARS[it["word"]])]),
    "month_day": (
        rf"(?<!\d)(?P<m>{MONTH_NUMBER})月份?的?(?P<d>{DAY_NUMBER})(?:[号日]{NO_PLACE}|(?![\d点时:.节个天周月一二三四五六七八九十]))",
        _month_day,
    ),
    "month_word_day": (
        rf"(?P<which>{WHICH})一?个?月的?(?P<d>{DAY_NUMBER})(?:[号日]{NO_PLACE}|(?![\d点时:.节个天周月半日号一二三四五六七八九十])(?<!月[一二三四五六七八九十]))",
        lambda it: [Day(months=which_week(it["which"]), day=number(it["d"]))],
    ),
    "month_word": (
        r"(?P<which>(?<![线网马])[上下]+|这|本|当|今)一?个?月(?!薪)",
        lambda it: [Day(months=which_week(it["which"]))],
    ),
    "first_month": (
        rf"(?<![\d个几两半.:/第])(?P<m>{MONTH_NUMBER})(?={TO}{MONTH_NUMBER}月(?!{DAY_NUMBER}[号日]))",
        _month,
    ),
    "year_end": (r"年[底末](?=之?以?前)", lambda _: [Day(month=_MONTHS, third=Third.LATE)]),
    "month": (rf"(?<![\d个几两半])(?P<m>{MONTH_NUMBER})月份?", _month),
    "no_such_day": (_NO_SUCH_DAY, lambda _: [Unclear(Why.IMPOSSIBLE, spoils=True)]),
    "third": (r"(?<=[月份])(?:初|底|末|中旬|[上下]旬|中(?!午))|月(?:初|底|末|中)(?!午)|[上中下]旬", _third),
    **COUNTED,
    "two_days": (r"(?P<a>今|明|后)[、和]?(?P<b>明|后|天后)天?(?:两|二|2)?天", _pair),
    "offset": (r"大大后天|大[后前]天|[今明后昨前]天", lambda it: [Day(offset=_OFFSETS[it[0]])]),
    "nth": (rf"(?:第(?P<n>[一二三四五1-5])个?|最后一?个?)周(?P<dow>{DOW}){NO_HOUR}", _nth),
    "last_day": (r"(?:的?最后一天)", lambda _: [Day(nth=-1)]),
    "nth_weekend": (
        r"(?:第(?P<n>[一二三四五1-5])个?|最后一?个?)周末",
        lambda it: [Day(nth=number(it["n"]) if it["n"] else -1, weekend=True)],
    ),
    "term_week": (
        rf"(?:(?:教学周|教学|学期)?第(?P<n>{COUNT})个?(?:教学|学)?周|(?P<n2>{COUNT})周(?=的?周{DOW}))的?(?:周?(?P<dow>{DOW})(?![点时次节:十]))?",
        _term_week,
    ),
    "next_one": (rf"[下]一个周(?P<dow>{DOW}){NO_HOUR}", lambda it: [Day(next_one=True, weekday=_DOW[it["dow"]])]),
    "half_week": (
        rf"(?P<which>{WHICH})?个?周?的?(?P<half>[上下前后])半(?:个?周|(?<=周[上下前后]半)[段个]?|(?<=周的[上下前后]半)[段个]?)",
        lambda it: [Day(weeks=which_week(it["which"]), half=int(it["half"] in "下后"))],
    ),
    "weekend": (
        r"(?P<which>(?<![线网马])[上下]+|这|本|当)?一?个?的?(?:周末|双休日)(?:两天)?",
        lambda it: [_weekend(it)],
    ),
    "weekend_days": (
        r"(?P<which>(?<![线网马])[上下]+|这|本|当)?个?的?周六[、和]?(?:周)?[日天](?![点常])",
        lambda it: [_weekend(it)],
    ),
    "weekdays": (
        rf"(?P<which>{WHICH})?个?的?周(?P<dows>{DOW}(?:[、/和及]?[二三四五六日2-7])+)(?![点时节号月个.:\d一二三四五六七八九十、~到至-])",
        _weekdays,
    ),
    "weekday": (
        rf"(?<![一两几圣饼色净悔足])(?P<which>{WHICH})?个?的?周(?P<dow>{DOW})(?<!周一(?=[定直样般共旦])){NO_HOUR}(?<!周天(?=气))(?<!周日(?=常))",
        _weekday,
    ),
    "hour_or_day": (rf"(?:{WHICH})个?周(?={DOW}点)|(?<![第\d.月/-])\d{{1,2}}周{DOW}(?![次天\d点])", _unclear),
    "weekday_tail": (
        rf"(?<=周{DOW}){TO}(?P<dow>{DOW})(?![点时:节号月\d一二三四五六七八九十个])",
        lambda it: [Mark.RANGE, Day(weekday=_DOW[it["dow"]])],
    ),
    "week": (
        rf"(?P<which>{WHICH})一?个?周(?![末岁年]|{DOW}点)(?:之|以)?[内里]?",
        lambda it: [Day(weeks=which_week(it["which"]))],
    ),
    "shift": (
        r"的?(?:(?P<before>前一天|头一天)|(?<!最)后一天|第二天|次日|隔天|翌日)",
        lambda it: [Day(shift=-1 if it["before"] else 1)],
    ),
    **FEASTS,
    "day_list": (
        rf"(?<![\d.:])(?P<d>{DAY_NUMBER})(?=(?:(?:、|和|或者?|,|/|-|~|到|至){DAY_NUMBER})+[号日]{NO_PLACE})",
        lambda it: [Day(day=number(it["d"]))],
    ),
    "day_of_month": (rf"(?<![第\d.])(?P<d>{DAY_NUMBER})[号日]{NO_PLACE}", lambda it: [Day(day=number(it["d"]))]),
    "two": (r"(?<![\d.:/])(?P<a>\d{1,2})(?P<sign>[./-])(?P<b>\d{1,2})(?![\d:/%]|\.\d|\s*[点时节号月分个次])", _two),
    "packed": (r"(?<![\d.:-])(?P<a>[01]\d|2[0-3])(?P<b>[0-5]\d)(?![\d年号楼级届班人元块室教])", _packed),
}
