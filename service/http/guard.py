"""Before a body is read: nobody gets further under a foreign name, or without credentials once any are set up."""

from collections.abc import Sequence
from contextlib import ExitStack

from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.accounts import Accounts, LimitedAccount
from service.access.authenticator import Authenticator
from service.access.caller import is_open, path_of, required_scope, sender_of, set_caller
from service.access.credentials import BASIC_CHALLENGE, SUBPROTOCOL, is_navigation
from service.http.problem_response import problem_response
from service.http.site import Site
from service.pipeline.device.account import Unlimited, charged_to
from service.problems import Forbidden, Problem, RateLimited, Unauthenticated
from service.telemetry.audit import AuditLog
from service.telemetry.metrics import Metrics

_POLICY_VIOLATED = 1008  # RFC 6455, section 7.4.1
_DENIAL_EXTENSION = "websocket.http.response"


class Guard:
    """ASGI middleware inside the envelope: credentials, scope, and the limits of their owner.

    The limits hold for analyses; reading cards or asking for a job's state costs next to nothing. While the audit log
    is required and cannot be written, nothing is answered. ``routes`` name the one that was refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        site: Site,
        authenticator: Authenticator,
        accounts: Accounts,
        audit: AuditLog,
        metrics: Metrics,
        routes: Sequence[BaseRoute],
    ) -> None:
        self._app = app
        self._site = site
        self._authenticator = authenticator
        self._accounts = accounts
        self._audit = audit
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass or refuse it."""
        if scope["type"] not in ("http", "websocket") or is_open(scope):
            await self._app(scope, receive, send)
            return
        with ExitStack() as stack:
            try:
                account = await self._admit(scope)
                if account is not None:
                    send = _with_limits(account, send)
                    stack.enter_context(account.request())
                stack.enter_context(charged_to(account or Unlimited(sender_of(scope))))
            except Problem as problem:
                await self._refuse(problem, scope, receive, send)
                return
            await self._app(scope, receive, _with_subprotocol(scope, send) if scope["type"] == "websocket" else send)

    async def _admit(self, scope: Scope) -> LimitedAccount | None:
        """Identify the sender, and find the account that pays; None where nothing is counted.

        Raises:
            Malformed, HostUnknown, CrossSite, AuditUnavailable, Unauthenticated, Forbidden, Unavailable
        """
        self._site.check(scope)
        problem = self._audit.problem()
        if problem is not None:
            raise problem
        caller = await self._authenticator.identify(scope)
        set_caller(scope, caller)
        scope["state"]["exchange"].caller = caller
        needed = required_scope(path_of(scope))
        if needed is not None and not caller.may(needed):
            raise Forbidden
        is_work = needed == "analyse" and (scope["type"] == "websocket" or scope["method"] == "POST")
        return self._accounts.of(caller) if is_work else None

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        if isinstance(problem, RateLimited):
            self._metrics.shed_total.labels(problem.code).inc()
        self._note_route(scope)
        exchange = scope["state"]["exchange"]
        exchange.code = problem.code
        if scope["type"] == "http" or _DENIAL_EXTENSION in scope.get("extensions", {}):
            response = problem_response(problem, scope)
            if isinstance(problem, Unauthenticated) and is_navigation(scope):
                response.headers.append("WWW-Authenticate", BASIC_CHALLENGE)  # browsers read one challenge a line
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATED, "reason": problem.code})

    def _note_route(self, scope: Scope) -> None:
        """Find the route that was refused, for log, audit and metrics: the address itself is never written."""
        fitting = (route for route in self._routes if route.matches(scope)[0] is Match.FULL)
        scope["route"] = next(fitting, None)


def _with_limits(account: LimitedAccount, send: Send) -> Send:
    async def send_with_limits(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers.update(account.headers())
        await send(message)

    return send_with_limits


def _with_subprotocol(scope: Scope, send: Send) -> Send:
    """Choose our subprotocol where it is offered: a browser gives up unless one of those it offers is chosen."""

    async def send_with_subprotocol(message: Message) -> None:
        if message["type"] == "websocket.accept" and SUBPROTOCOL in scope.get("subprotocols", ()):
            message["subprotocol"] = SUBPROTOCOL
        await send(message)

    return send_with_subprotocol
