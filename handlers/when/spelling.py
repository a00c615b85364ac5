"""One spelling of what was typed: traditional characters, dialect, pinyin and slips of the keyboard become the plain word.

Only slips with one clear reading are mended, and most only beside a word about time: 「星其三」 「明填」 「下午山点」.
"""

import re

from handlers.dialogue.reading import folded

_SIMPLE = str.maketrans(
    "週禮點後號時間鐘鍾這個兩內過聖誕節國慶勞動兒課講話電視頻線語訊騰議會師還沒關係學習業壓愛戀緒憂鬱實辦員約邊開結長遲從聽尋晝農曆隨樣嗎們請問謝"
    "對錯應該換給為當陽萬單幾麼樓機試誰讓趕緊儘盡選門體無謂處較覺難煩慮媽傢驗團諮詢發陳張趙劉楊黃吳孫馬許終傍晚離題統來見談選擇種網絡遠現場貴"
    "補閒達週裡裏紙鄭鄧羅蔣譚龍葉錢盧蘇軍婦陰歲莊復願聲認識書寫讀記費鄉橋醫藥歷專畢績論題臘驚蟄穀滿種護黨親雙際剛纔ー",
    "周礼点后号时间钟钟这个两内过圣诞节国庆劳动儿课讲话电视频线语讯腾议会师还没关系学习业压爱恋绪忧郁实办员约边开结长迟从听寻昼农历随样吗们请问谢"
    "对错应该换给为当阳万单几么楼机试谁让赶紧尽尽选门体无谓处较觉难烦虑妈家验团咨询发陈张赵刘杨黄吴孙马许终傍晚离题统来见谈选择种网络远现场贵"
    "补闲达周里里纸郑邓罗蒋谭龙叶钱卢苏军妇阴岁庄复愿声认识书写读记费乡桥医药历专毕绩论题腊惊蛰谷满种护党亲双际刚才-",
)

# Same meaning, other word. 「星期」 and 「礼拜」 become 「周」.
_WORDS = {
    wrong: right
    for right, slips in {
        "周": "星期 礼拜 星其 星气 兴期 星琪 礼败 里拜 礼白 星斯 心期 星期期",
        "下周": "下州 下洲 下舟 夏周 下粥 下个礼拜",
        "下下周": "大下周 大下个周 大下星期 大下礼拜",
        "本周": "本州",
        "这周": "这州",
        "今天": "今儿个 今儿 今日 今填 今添 金天 津天",
        "明天": "明儿个 明儿 明日 明个 听日 明填 明添 名天 民天 明田 明夭 明大 鸣天",
        "后天": "后儿个 后儿 后日 后填 后添 厚天 侯天 后夭 後天",
        "昨天": "昨儿 昨日 琴日 寻日 擒日",
        "前天": "前日",
        "今天晚上": "今晚上 今晚 今夜 今儿晚",
        "明天晚上": "明晚上 明晚 明儿晚 听晚",
        "昨天晚上": "昨晚 寻晚 琴晚 擒晚",
        "后天晚上": "后晚",
        "今天早上": "今早上 今早 今晨 今朝",
        "明天早上": "听朝 明早上 明早 明晨 明朝 明儿早",
        "昨天早上": "昨早",
        "今天下午": "今下午",
        "明天下午": "明下午",
        "明天上午": "明上午",
        "今天上午": "今上午",
        "明天中午": "明中午",
        "今天中午": "今中午",
        "早上": "朝早 朝头早 早晨 清晨 清早 大清早 大早上 早间 早尚 枣上 早商",
        "现在": "而家 宜家 依家 家下",
        "晚上": "夜晚 夜里 夜间 晚间 晚自习 晚尚 碗上 挽上",
        "下午": "晏昼 下昼 晏就 夏午 吓午 下舞 下武 下屋 下捂 下吾",
        "中午12点": "正午12点 正午十二点 正午",
        "中午": "晌午 午间 午休 中舞 钟午 中武",
        "傍晚": "挨晚 黄昏 傍黑 傍完",
        "上午": "上昼 上舞 上武 尚午 伤午",
        "小时": "钟头 个钟",
        "能": "能不能 能否",
        "行": "行不行",
        "方便": "方不方便",
        "有": "有没有 有无",
        "有空": "得闲",
        "没空": "唔得闲 冇空 没得空 木有空",
        "不行": "唔得",
        "可以": "可不可以 可否 得唔得 得吗",
        "是": "是不是",
        "要": "要不要",
        "好": "好不好",
        "在": "在不在",
        "合适": "合不合适",
        "得": "得不得",
        "": "忙不忙",
        "没课": "不上课 不用上课 没有课",
        "没有": "木有 没得 冇",
        "大后天": "大后填",
        "九点半": "就点半 久点半",
        "没事": "不忙",
        "202": "二零二 二〇二",
        "周日": "星期曰 周曰",
        "号": "号号",
    }.items()
    for wrong in slips.split()
}
_WORDS["平安夜"] = "平安夜"  # is no 「夜晚」
_ROMAN = {
    wrong: right
    for right, slips in {
        "今天": "jintian today",
        "明天": "mingtian tomorrow tmr tmrw",
        "后天": "houtian",
        "大后天": "dahoutian",
        "下午": "xiawu afternoon",
        "上午": "shangwu morning",
        "中午": "zhongwu noon",
        "晚上": "wanshang evening",
        "早上": "zaoshang",
        "下周": "xiazhou",
        "这周": "zhezhou",
        "本周": "benzhou",
        "周末": "zhoumo weekend",
        "周一": "zhouyi monday mon",
        "周二": "zhouer tuesday tue",
        "周三": "zhousan wednesday wed",
        "周四": "zhousi thursday thu thur",
        "周五": "zhouwu friday fri",
        "周六": "zhouliu saturday sat",
        "周日": "zhouri sunday sun",
        "周": "xingqi libai zhou week xq",
        "点": "dian",
        "半": "ban",
        "一": "yi",
        "二": "er",
        "三": "san",
        "四": "si",
        "五": "wu",
        "六": "liu",
        "日": "ri",
        "今天晚上": "jinwan tonight",
        "明天晚上": "mingwan",
        "明天早上": "mingzao",
        "下": "next",
        "这": "this",
        "": "at after before",
        "或": "or",
        "到": "to",
        "可以": "ok okay",
    }.items()
    for wrong in slips.split()
}
_AFTER_WEEK = dict(
    zip("山散伞叁而贰尔思四肆寺武舞伍无溜刘陆壹曰填添", "三三三三二二二四四四四五五五五六六六一日天天", strict=True)
)
_HOURS = dict(
    zip(
        "山散伞叁司思肆舞武伍留刘溜陆其期七疤爸捌酒久玖时石拾良量贰壹衣",
        "三三三三四四四五五五六六六六七七七八八八九九九十十十两两二一一",
        strict=True,
    )
)
_END = r"(?=$|[\s,早晚上下中的可行有第吧呢吗好想来去见都也要能和或到])"

_WORD = re.compile("|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)))
_LETTERS = re.compile(r"(?<![a-z])(?:" + "|".join(sorted(_ROMAN, key=len, reverse=True)) + r")+(?![a-z])")
_ONE_LETTERS = re.compile("|".join(sorted(_ROMAN, key=len, reverse=True)))
_SLIP_WEEKDAY = re.compile(f"(?<=周)[{''.join(_AFTER_WEEK)}]{_END}")
_SLIP_HOUR = re.compile(f"(?<=[午上天晚早])[{''.join(_HOURS)}](?=[点典店电:])")
_SLIP_POINT = re.compile(r"(?<=[\d一二两三四五六七八九十])(?:[典奌垫踮佃]|[店电](?=$|[,半整钟到吧左可行]|\d))")
_SLIP_HALF = re.compile(r"(?<=点)[办版伴班拌搬](?=$|[,吧可行有到左的])")
_SLIP_DATE = re.compile(r"(?<=月)(\d{1,2}|[一二三四五六七八九十]{1,3})[好浩耗毫嚎](?!几|像)")
_SLIP_LESSON = re.compile(r"(第[一二三四五六七八九十\d]{1,3})[接界结届](?=课|下课|$|[,吧])")
_SLIP_AFTERNOON = re.compile(
    r"(?<=[天日三四五六一二号周\d下上中])?([上下中])[五无物](?=[\d一二两三四五六七八九十半]{1,3}[点:])"
)
_EARLY = re.compile(r"一大?早(?=上|晨|$|[,起来去就八九十\d])(?:上|晨)?(?<!周一早)(?<!周一早上)(?<!周一早晨)|搭(?=半)")
_BOW = re.compile(r"(?<![崇膜参祭礼叩])拜(?=[二三四五六日]|一(?![下拜]))")
_FIVES = re.compile(r"(?<=[晏下]昼)([一二三四五六七八九十\d]{1,2})点([一二三四五六七八九])(?!十|\d|分|刻|个|点)")
_EIGHT = re.compile(r"(?<![\d点:.])8(?=行(?![吗嘛么不李?]))")
_AFTER_NOON = re.compile("(?<![上下中])午后|(?<![美日公欧一二三四五六七八九十百千万0-9])元月")
_TITLE = re.compile(r"《[^》]*》")
_NUMBERED = re.compile(r"(?:(?<=^)|(?<=[\s,。;、]))\d[.、)](?=\s*[^\d\s])")
_NO_TIME = re.compile(r"(?:学号|电话|手机号?|微信号?|qq|工号|号码)[是为:号]{0,2}\s*[\da-z_-]{5,}|\d{9,}", re.IGNORECASE)
_GREETING = re.compile(r"(?:(?<=^)|(?<=[,师]))(?:早上|上午|中午|下午|晚上)好(?![吗的不么])")
_TWICE_BELOW = re.compile(r"(?<=[下上])[^\S\n]+(?=[下上])")
_A_BIT = re.compile(r"(?<=[约问聊看谈说来等])一下(?!午)")
_STOPS = re.compile(r"[\r\n。;!?…\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff]+|(?<!\d)\.+|\.+(?!\d)|,+")
_NEVER_SEEN = re.compile(r"[\u200b-\u200f\u2060\ufeff\ufe0f\u20e3]")
_BLANK = re.compile(r"(?<![\da-z])[^\S\n]+|[^\S\n]+(?![\da-z])")
_MANY = 500


def plain_spelling(text: str) -> str:
    """The text as the readers of time expect it; 500 characters at most. Stops are 「,」, blanks stay between digits."""
    text = folded(_NEVER_SEEN.sub("", text[:_MANY])).casefold().translate(_SIMPLE)
    text = _AFTER_NOON.sub(lambda it: "下午" if "午" in it[0] else "1月", text)
    text = _FIVES.sub(r"\1点\2个字", _BOW.sub("周", _EIGHT.sub("不", _TITLE.sub("", text))))
    text = _NO_TIME.sub(",", _NUMBERED.sub(",", text))
    text = _STOPS.sub(",", text)
    text = _LETTERS.sub(lambda it: _ONE_LETTERS.sub(lambda one: _ROMAN[one[0]], it[0]), text)
    text = _A_BIT.sub("", _BLANK.sub("", _TWICE_BELOW.sub(",", text)))
    text = _WORD.sub(lambda it: _WORDS[it[0]], text)
    text = _EARLY.sub(lambda it: "早上" if "早" in it[0] else "", text)
    text = _GREETING.sub(",", text)
    text = _SLIP_WEEKDAY.sub(lambda it: _AFTER_WEEK[it[0]], text)
    text = _SLIP_AFTERNOON.sub(lambda it: f"{it[1]}午", text)
    text = _SLIP_HOUR.sub(lambda it: _HOURS[it[0]], text)
    text = _SLIP_POINT.sub("点", text)
    text = _SLIP_HALF.sub("半", text)
    text = _SLIP_DATE.sub(r"\1号", text)
    return _SLIP_LESSON.sub(r"\1节", text)
