"""The visible list of conversations, in the order of the menu. A new one is a file beside this and a line here."""

from handlers.chat.binding import binding
from handlers.chat.booking import booking
from handlers.chat.class_checkin import class_checkin
from handlers.chat.concern import concern
from handlers.chat.desk import desk
from handlers.chat.dorm_checkin import dorm_checkin
from handlers.chat.feedback import feedback
from handlers.chat.for_a_friend import for_a_friend
from handlers.chat.my_appointments import (
    cancel_appointment,
    change_time,
    coming,
    my_appointments,
    take_offer,
    wait_on,
)
from handlers.chat.my_data import my_data
from handlers.chat.open_hours import on_leave, open_hours
from handlers.chat.proposing import proposing
from handlers.chat.rebinding import rebinding
from handlers.chat.summaries import progress, summaries
from handlers.chat.tasks import tasks
from handlers.chat.urgent import urgent

CONVERSATIONS = [
    booking,
    my_appointments,
    change_time,
    cancel_appointment,
    coming,
    take_offer,
    wait_on,
    feedback,
    for_a_friend,
    desk,
    tasks,
    proposing,
    open_hours,
    on_leave,
    class_checkin,
    dorm_checkin,
    concern,
    summaries,
    progress,
    my_data,
    binding,
    rebinding,
    urgent,
]
