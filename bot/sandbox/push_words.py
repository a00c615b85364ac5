"""What the page calls states, ways, outcomes and the platforms' codes of a push, in the words of whoever looks at it."""

from models.outbox import PushKind

STATES = {
    "queued": "等着发出",
    "sending": "正在发送",
    "carried": "并在另一条里",
    "held": "等人放行",
    "accepted": "平台已收下",
    "delivered": "已送达",
    "suppressed": "不用发了",
    "uncertain": "不确定送到没有",
    "exhausted": "没能送到",
}
LIVE = frozenset(["queued", "sending", "carried", "held"])
ENDED_WELL = frozenset(["accepted", "delivered"])
KINDS = {
    PushKind.CLASS_OPENED: "班级小结开始",
    PushKind.CLASS_REMINDER: "班级小结提醒",
    PushKind.DORM_OPENED: "宿舍反馈开始",
    PushKind.DORM_REMINDER: "宿舍反馈提醒",
    PushKind.CHECKIN_MISSING: "小结还没交",
    PushKind.CLASS_LIST: "本周交齐情况",
    PushKind.POST_VACANT: "有岗位空着",
    PushKind.CHECKIN_CAME: "收到一份小结",
    PushKind.CHECKIN_WAITS: "小结里有事等着看",
    PushKind.CONCERN_CAME: "有一条等着看",
    PushKind.CONCERN_WAITS: "有一份还没发出",
    PushKind.CONCERN_UNSENT: "有一份没发出",
    PushKind.ALERT: "紧急通知",
    PushKind.ALERT_FACTS: "紧急情况补充",
    PushKind.BOOKING_NEW: "新预约",
    PushKind.BOOKING_MOVED: "预约改了时间",
    PushKind.BOOKING_GONE: "预约取消了",
    PushKind.PROPOSAL_ANSWERED: "改期建议有回复",
    PushKind.MORNING_LIST: "早上的安排",
    PushKind.BOOKING_WAITS: "预约等中心答复",
    PushKind.PROPOSAL_UNANSWERED: "改期建议没回应",
    PushKind.NO_OPEN_SLOT: "有一天没有空位",
    PushKind.OFTEN_MISSED: "几次没来",
    PushKind.BOOKING_TOMORROW: "前一天的提醒",
    PushKind.BOOKING_SOON: "快到点的提醒",
    PushKind.BOOKING_CONFIRMED: "预约答复：约好了",
    PushKind.BOOKING_DECLINED: "预约答复：没约上",
    PushKind.BOOKING_CALLED_OFF: "老师取消了预约",
    PushKind.PROPOSAL_MADE: "建议改期：问学生",
    PushKind.OFFER_MADE: "空出一个时间",
    PushKind.OFFER_OVER: "空出的时间让给了别人",
    PushKind.BOOKING_MISSED: "没等到人",
    PushKind.BOOKING_AFTER: "聊过之后问一声",
    PushKind.SENT_ON: "请到另一处接着聊",
    PushKind.REBIND_ASK: "换绑：问本人",
    PushKind.REBIND_CONFIRM: "换绑：请确认",
    PushKind.REBIND_DONE: "换绑好了",
    PushKind.CARD_TRIAL: "试一张卡片",
    PushKind.CARD_CLOSED: "卡片已有人处理",
    PushKind.UNREACHABLE: "有人联系不上",
    PushKind.STALLED: "有消息卡住了",
    PushKind.DIGEST: "消息摘要",
    PushKind.UNKNOWN: "别的版本的通知",
    PushKind.URGENT_COUNT: "还有几件紧急",
}
CHANNELS = {"official_account": "公众号", "wecom": "企业微信", "fallback": "其他方式"}
WAYS = {
    "text": "文字",
    "card": "卡片",
    "menu": "带按钮的文字",
    "update": "改卡片",
    "template": "模板消息",
    "notice": "通知",
    "shown": "「查看」",
}
OUTCOMES = {
    "asked": "还没有回答",
    "accepted": "收下了",
    "delivered": "送到了",
    "busy": "过一会儿再试",
    "refused": "没有收",
    "no answer": "没有回答",
    "failed": "没有送到",
}
REASONS = {
    "expired": "过了时候",
    "left": "人已经离开",
    "overtaken": "事情已经变了",
    "muted": "本人不想收这类消息",
    "cancelled": "已经取消",
    "unreachable": "没有能送到的方式",
    "refused": "平台没有收",
    "gave up": "试了太多次",
    "answer lost": "发出去了，回答丢了",
    "in digest": "并在摘要里送出",
    "in count": "并在「还有几件」里送出",
    "unknown kind": "这个版本不认识它",
    "shown": "本人已经查看",
}
HELD_FOR = {"quiet": "夜里不打扰，等到早上", "pace": "刚发过好几条，和别的并在一起"}
CODES = {
    "0": "平台收下了",
    "-1": "平台忙",
    "40001": "令牌失效或不是最新的",
    "40003": "平台不认识这个账号",
    "40014": "平台不认识这个令牌",
    "40037": "平台不认识这个模板",
    "40058": "参数不合平台的规矩",
    "42001": "令牌过期",
    "43004": "对方没有关注",
    "43019": "对方在黑名单里",
    "43101": "对方没有同意接收",
    "45009": "今天的额度用完了",
    "45011": "这一分钟调用太多",
    "45015": "对方 48 小时内没有说过话",
    "45033": "同时调用太多",
    "45047": "这次对话能发的条数用完了",
    "47003": "模板里有一项不合规矩",
    "60011": "这位成员不在应用的范围里",
    "60020": "我们的地址不在平台的名单里",
    "60111": "平台没有这位成员",
    "60140": "卡片的更新码用过了或过期了",
    "81013": "平台找不到能送达的成员",
    "42014": "这张卡片已经发过",
    "success": "送到了",
    "failed:user block": "对方拒收",
    "failed:system failed": "平台没有送成",
}


def word_of_code(code: str | None) -> str:
    """A platform's code in words; "" when there is none to tell."""
    if not code:
        return ""
    return CODES.get(code, f"平台回答 {code}")
