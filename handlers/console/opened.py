"""The page behind a ten-minute link. GET shows a button, POST spends the link: link scanners must not. Rules: design, idea 5."""

from typing import Any

from flask import Blueprint, Response, render_template

from handlers.words.catalogue import Words
from models import clock
from models.booking.desk import access_clients_page
from models.booking.tasks import access_task_page
from models.db import unit_of_work
from models.errors import NotFoundError
from models.link import find_link, spend_link
from models.policy import Policy
from models.summary import access_alert_page, access_class_page

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
}


def opened_routes(words: Words, policy: Policy) -> Blueprint:
    """`/open/<token>`."""
    routes = Blueprint("opened", __name__, template_folder="templates", url_prefix="/open")

    def page(template: str, status: int = 200, **values: Any) -> Response:
        return Response(render_template(template, words=words, **values), status, headers=_HEADERS)

    @routes.get("/<token>")
    def ask(token: str) -> Response:
        """A button; looking spends nothing."""
        try:
            with unit_of_work(write=False) as session:
                target = find_link(session, token, now=clock.now()).target
        except NotFoundError as error:
            return page("over.html", 404, key=error.key)
        return page("ask.html", title=_title(target))

    @routes.post("/<token>")
    def show(token: str) -> Response:
        """The words, once. Access is checked now, not when the link was made."""
        now = clock.now()
        try:
            with unit_of_work() as session:
                link = spend_link(session, token, now=now)
                what, _, number = link.target.partition(":")
                if what == "alert":
                    it = access_alert_page(session, policy.duty, link.person_id, int(number), now=now)
                    return page("alert.html", it=it)
                if what == "clients":
                    clients = access_clients_page(session, link.person_id, int(number), policy=policy.booking, now=now)
                    return page("clients.html", clients=clients)
                if what == "client":
                    who = access_task_page(session, link.person_id, int(number), policy=policy.booking, now=now)
                    return page("client.html", it=who)
                read = access_class_page(session, policy.checkin, link.person_id, int(number), now=now)
                return page("summary.html", it=read)
        except NotFoundError as error:
            return page("over.html", 404, key=error.key)

    return routes


def _title(target: str) -> str:
    """The key of what a link opens, before it is opened."""
    return "page.open_clients" if target.startswith("client") else "page.open_title"
