"""Words about everything but the time: how, about what, how soon. In plain spelling."""

import re
from enum import StrEnum


class Mode(StrEnum):
    """How the talk is held."""

    IN_PERSON = "in_person"
    PHONE = "phone"
    ONLINE = "online"


class Topic(StrEnum):
    """What it is about."""

    STUDY = "study"
    LIFE = "life"
    RELATIONS = "relations"
    FAMILY = "family"
    LOVE = "love"
    MOOD = "mood"
    SLEEP = "sleep"
    WORK = "work"
    UNSURE = "unsure"


# The first that matches a place counts: 「微信电话」 is online, 「我的电话是…」 is no mode.
MODES = {
    None: r"(?:我的?|留个?|联系|手机)电话|电话(?:号码?|[是:]|打不通|\d)|电话(?=1\d{10})|看视频|刷视频|短视频",
    Mode.ONLINE: (
        r"微信电话|线上|视频|语音|腾讯会议|网上|网络(?!依赖|成瘾|游戏)|远程|连麦|在线|云咨询|zoom|"
        r"钉钉|飞书|开会议"
    ),
    Mode.PHONE: r"电话|通话|打给我|phone",
    Mode.IN_PERSON: (
        r"面对面|线下|当面|面谈|面询|面聊|面咨|见面|现场|到场|到办公室|去办公室|来办公室|办公室|"
        r"到店|去中心|来中心|到中心|咨询室|亲自过|过去找|face"
    ),
}
# 「情绪」 is said beside nearly everything else: it is taken only when nothing else was named.
TOPICS = {
    Topic.SLEEP: r"睡眠|失眠|睡不着|睡不好|没睡好|睡得?不|睡得很?差|熬夜|早醒|噩梦|做梦",
    Topic.LOVE: (
        r"感情|恋爱|失恋|分手|男朋友|女朋友|男友|女友|对象|情感|暗恋|表白|前任|异地恋|喜欢的人|情侣|"
        r"谈恋爱|恋人"
    ),
    Topic.FAMILY: r"家里(?!蹲)|家庭|父母|爸妈|爸爸|妈妈|我爸|我妈|原生家庭|家人|亲子",
    Topic.WORK: r"就业|找工作|工作(?!日|时间|室|人员)|求职|实习|面试|秋招|春招|校招|职业|生涯|offer|简历|考公|创业",
    Topic.STUDY: (
        r"学习|学业|挂科|考研|论文|绩点|成绩|考试(?=压力|焦虑|紧张|太|让|考砸|没考好)|期[末中](?=压力|焦虑|复习|太|很)|"
        r"课业|专业(?!的?老师|人)|保研|毕设|毕业设计|备考|听不进课|拖延|功课|转专业|休学|复习不|"
        r"作业|四六级"
    ),
    Topic.RELATIONS: (
        r"人际|室友|舍友|同学(?!们好)|朋友(?!圈)|社交|交往|寝室(?:关系|矛盾)|宿舍(?:关系|矛盾|里|的人)|"
        r"被孤立|合群|吵架|社恐"
    ),
    Topic.LIFE: r"生活|适应|经济困难|没钱|花钱|网贷|想家|新环境|作息",
    Topic.MOOD: (
        r"情绪|心情|焦虑|抑郁|难过|压抑|烦躁|(?<!麻)烦(?!请)|emo|压力|低落|崩溃|痛苦|不开心|不高兴|"
        r"紧张|害怕|恐慌|想哭|孤独|迷茫|委屈|内耗"
    ),
    Topic.UNSURE: (
        r"说不清|说不上来|说不出|不知道(?:怎么说|聊什么|说什么|哪方面|算哪|该说|是什么|什么原因)|"
        r"不清楚哪|不确定(?:哪方面|聊什么|是什么)|没想好聊|随便聊聊|都有一?点|聊什么都"
    ),
}
HASTE = (
    r"越快越好|越早越好|尽快|尽早|最快|最早(?!的?一班)|最近的(?:一个)?(?:时间|时段|空|号)|赶紧|"
    r"(?<!不)(?<!不太)着急|挺急|很急|比较急|有点急|急着|加急|马上|立刻|立即|早点约|早一点|快一点|"
    r"第一个有空|最先"
)
ANYTIME = (
    r"随便|都行|都可以|都好|都成|都能|都ok|无所谓|看你们|看老师|你们安排|看着安排|老师安排|听安排|"
    r"听你们|听老师|不限|任意|任何时[间候]|随时|什么时[候间]都|哪天都|均可|帮我安排|您安排|你安排|"
    r"你定|你们定|您定|老师定|不挑"
)
SAME = r"上次|上回|之前(?:的|那)|原来的?|以前的?|同一[个位]|老规矩|照旧|原先"
SOMEBODY = r"老师|咨询师|医生|那位|那个"
TITLE = r"(?:老师|医生|咨询师|大夫|主任|教授|博士|姐|哥|姐姐|师)"
DENIED_BEFORE = re.compile(
    r"(?:不要|不想|不能|不用|不喜欢|不太想|不愿意?|不方便|别|除了|不是|不约|不选|不接受|不打|不考虑|不安排|换掉|没法|没办法|怕|拒绝|避开|不和|不跟|换个?|不要再)[^,]{0,5}$"
)
DENIED_AFTER = re.compile(
    r"^[^,]{0,4}?(?:不行|不可以|不方便|不要|不合适|不太行|不太方便|不想|不能|就算了|算了|除外|以外|不太想|不好|换掉|不约)"
)
