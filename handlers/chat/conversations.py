"""The visible list of conversations, in the order of the menu. A new one is a file beside this and a line here."""

from handlers.chat.binding import binding
from handlers.chat.class_checkin import class_checkin
from handlers.chat.concern import concern
from handlers.chat.dorm_checkin import dorm_checkin
from handlers.chat.my_data import my_data
from handlers.chat.rebinding import rebinding
from handlers.chat.summaries import progress, summaries
from handlers.chat.urgent import urgent

CONVERSATIONS = [class_checkin, dorm_checkin, concern, summaries, progress, my_data, binding, rebinding, urgent]
