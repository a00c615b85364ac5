"""Words about days with names and days of the lunar calendar, 「农历」. The text is in plain spelling."""

from handlers.when.clues import Day, Unclear, Word
from handlers.when.feasts import NAMES, WEATHER, holiday_length
from handlers.when.meaning import Why
from handlers.when.numbers_said import ONE_TO_NINE, Found, Reader, number

_NAMES = "|".join(name for name in NAMES if name not in {"三八", "六一", "五四", "十一", "五一", "小年"})
_MONTHS = {"正": 1, "冬": 11, "腊": 12, "大年": 1, "年": 1}
_LUNAR_DAY = rf"(?:初(?:{ONE_TO_NINE}|十)|十{ONE_TO_NINE}?|[二廿]十?{ONE_TO_NINE}|二十|三十|廿)"
_MONTH = "十[一二]?|[一二三四五六七八九]"


def _feast(found: Found) -> list[Word]:
    """「中秋」, 「国庆假期」; 「国庆回来」 and 「过完年」 are no day."""
    name = found["name"]
    if found["over"] or found["back"]:
        return [Unclear(Why.VAGUE, spoils=True)]
    if found["holiday"] and holiday_length(name):
        return [Day(feast=f"{name}假")]
    return [Day(feast=name)]


def _lunar(found: Found) -> list[Word]:
    """「八月初三」, 「农历八月十五」, 「正月十五」, 「大年初二」."""
    month = found["sure"] or found["named"] or found["m"] or found["year"]
    return [Day(lunar=(_MONTHS.get(month) or number(month), number(found["d"])))]


FEASTS: dict[str, tuple[str, Reader]] = {
    "lunar": (
        (
            rf"(?:(?:农历|阴历|旧历)的?(?P<sure>[正冬腊]|{_MONTH})月|(?P<named>[正冬腊])月|(?P<year>大年(?=初))"
            rf"|(?P<m>{_MONTH})月(?=初|廿{ONE_TO_NINE}(?![号日])))(?P<d>{_LUNAR_DAY})(?![号点个周])"
        ),
        _lunar,
    ),
    "feast": (
        (
            rf"(?P<over>过[完了]?|等)?(?P<name>{_NAMES}|小年(?![级轻])|五一(?![起直样定])"
            rf"|(?<![第二三\d])十一(?![点月号日节周个时分:、天年级次])|(?:{'|'.join(WEATHER)})(?=[那这当]天|节气))"
            r"节?(?:日)?(?:当天|那天)?(?P<holiday>小?长?假期?|放假|期间)?"
            r"(?P<back>(?:回来|回校|返校|收假|结束|放?完|过后?完?|以后回)[了后]?)?"
        ),
        _feast,
    ),
}
