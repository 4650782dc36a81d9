"""Everything with which people log in, as one thing: at the provider, or here by password.

Rules:
1. A registry with a provider has no local log-in, so that whoever is taken from the company's
   directory cannot come in by another door.
2. A log-in that went to the provider is known by its `state`, once, for ten minutes, and only to
   the browser that began it: that browser holds a secret of 256 bits, from which nonce and PKCE
   verifier are derived. Rows hold the SHA-256 of both.
3. Name and password take the same time and get the same answer, whether the name is known or not.
4. Each transaction is short: no hash is computed and no provider is asked while one is open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.actors.bindings import Conflicts
from registry.actors.group_roles import groups_in, read_group_roles, roles_of_groups
from registry.actors.local_people import (
    LocalPerson,
    change_password,
    find_local,
    local_administrator,
    offer_setup,
    require_setup_link,
    set_up,
)
from registry.actors.passwords import Passwords, check_new_password
from registry.actors.people import Person, account_of, admit_person
from registry.actors.person_tables import LogInState
from registry.actors.provider import Journey, Provider, ProviderSettings
from registry.actors.pseudonyms import Pseudonyms
from registry.actors.session_cache import SessionCache
from registry.actors.sessions import SessionLimits, new_secret, start_session
from registry.actors.throttle import (
    FREE_FOR_ADDRESS,
    FREE_FOR_NAME,
    Tried,
    count_attempt,
    forgive_attempt,
)
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.clock import Clock
from registry.errors import ConflictError, LogInError, SettingsError
from registry.ids import token_digest
from registry.keys.keyring import Keyring
from registry.settings import Settings
from registry.storage.columns import changed_rows, table_of
from registry.storage.database import Database

JOURNEY_LASTS = timedelta(minutes=10)
_STATE_LIMIT = 100
_state = table_of(LogInState)


@dataclass(frozen=True, slots=True)
class Departure:
    """A log-in that leaves for the provider: where to, and the secret that its browser keeps."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the provider's redirect brought back, with the secret of the browser."""

    state: str
    code: str
    browser: str
    redirect_uri: str


class LogIns:
    """Logs people in. Thread-safe; commits its own transactions."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        keyring: Keyring,
        clock: Clock,
        conflicts: Conflicts,
    ) -> None:
        self._conflicts = conflicts
        self._database = database
        self._clock = clock
        self._pseudonyms = Pseudonyms(keyring)
        self._passwords = Passwords()
        self._group_roles = read_group_roles(settings.oidc_groups)
        self._group_claim = settings.oidc_group_claim
        self._name_claim = settings.oidc_name_claim
        self.limits = SessionLimits(
            timedelta(minutes=settings.session_idle_minutes),
            timedelta(hours=settings.session_hours),
        )
        self.sessions = SessionCache(database, clock, self.limits)
        self.provider = _provider(settings, clock)

    def by_password(self, name: str, password: str, *, address: str) -> str:
        """Log in here; give the session's secret. `address`: where the attempt comes from.

        Raises LogInError, ThrottledError. Effects: commits the attempt, then its end, each with an
        entry where the account is known (rule 3).
        """
        self._refuse_local()
        tried = Tried(self._pseudonyms.of("name", name.casefold()), FREE_FOR_NAME)
        origin = Tried(self._pseudonyms.of("address", address), FREE_FOR_ADDRESS)
        now = self._clock()

        def begin(session: Session) -> LocalPerson | None:
            count_attempt(session, (tried, origin), now=now)
            return find_local(session, name)

        known = self._database.transact(begin)
        matches = self._passwords.matches(known.encoded if known else None, password)
        if known is None or not matches:
            if known is not None:
                self._note_refusal(known.account_id, "password", address)
            raise LogInError(
                "Name and password do not fit together.", remedy="Try again, or ask an operator."
            )
        account_id = known.account_id

        def end(session: Session) -> str:
            forgive_attempt(session, tried, origin, now=now)
            return start_session(session, account_id, how="password", limits=self.limits, now=now)

        return self._database.transact(end)

    def change_password(self, account_id: str, old: str, new: str, *, address: str) -> str:
        """Set one's password anew; give the secret of a new session, the only one that is left.

        Raises LogInError where the old one is wrong, InvalidInputError, ThrottledError. Effects:
        commits.
        """
        with self._database.read() as session:
            known = local_administrator(session)
        if known is None or known.account_id != account_id:
            raise ConflictError(
                "Your account has no password here.", remedy="Change it where you log in."
            )
        secret = self.by_password(known.name, old, address=address)
        check_new_password(new, name=known.name)
        encoded, now = self._passwords.encode(new), self._clock()

        def change(session: Session) -> str:
            change_password(session, account_id, encoded=encoded, now=now)
            return start_session(session, account_id, how="password", limits=self.limits, now=now)

        secret = self._database.transact(change)
        self.sessions.clear()
        return secret

    def set_up(self, link: str, *, name: str, password: str) -> str:
        """Use a set-up link (by its secret); give the session's secret.

        Raises LogInError, InvalidInputError, ConflictError. Effects: commits.
        """
        self._refuse_local()
        now = self._clock()
        self.require_setup_link(link)
        check_new_password(password, name=name)
        encoded = self._passwords.encode(password)

        def change(session: Session) -> str:
            person = set_up(session, link, name=name, encoded=encoded, now=now)
            limits = self.limits
            return start_session(session, person.account_id, how="setup", limits=limits, now=now)

        secret = self._database.transact(change)
        self.sessions.clear()
        return secret

    def require_setup_link(self, link: str) -> str | None:
        """Raise LogInError unless the link may be used; give the name of who was set up before."""
        self._refuse_local()
        with self._database.read() as session:
            require_setup_link(session, link, now=self._clock())
            known = local_administrator(session)
        return None if known is None else known.name

    def offer_setup(self, *, actor: str = SYSTEM, anew: bool = False) -> str | None:
        """The secret of a new set-up link; None where somebody was set up, unless `anew`.

        None as well where people log in at a provider (rule 1), but ConflictError if `anew`.
        Effects: commits.
        """
        if self.provider is not None and not anew:
            return None
        self._refuse_local()

        def offer(session: Session) -> str | None:
            if not anew and local_administrator(session) is not None:
                return None
            return offer_setup(session, actor=actor, now=self._clock())

        return self._database.transact(offer)

    def _refuse_local(self) -> None:
        if self.provider is not None:
            raise ConflictError(
                "People log in at the identity provider, and not here.", remedy="Go to /log-in."
            )

    def depart(self, next_path: str, *, redirect_uri: str) -> Departure:
        """Begin a log-in at the provider; afterwards the browser goes to `next_path` here.

        Raises ConflictError where there is no provider, ProviderError. Effects: commits a row.
        """
        provider = self._require_provider()
        state, browser = new_secret(), new_secret()
        url = provider.log_in_url(_journey(state, browser, redirect_uri))
        now = self._clock()
        row = {
            "digest": token_digest(state),
            "browser": token_digest(browser),
            "next_path": next_path,
            "expires_at": now + JOURNEY_LASTS,
        }

        def keep(session: Session) -> None:
            session.execute(delete(_state).where(_state.c.expires_at <= now))
            session.execute(_state.insert().values(row))

        self._database.transact(keep)
        return Departure(url, browser)

    def arrive(self, arrival: Arrival) -> tuple[str, str]:
        """End a log-in at the provider; give the session's secret and the path to go to.

        Raises LogInError, ProviderError, ConflictError for groups whose roles conflict. Effects:
        commits; the state is used up in any case.
        """
        provider = self._require_provider()
        next_path = self._use_state(arrival)
        journey = _journey(arrival.state, arrival.browser, arrival.redirect_uri)
        claims = provider.claims(journey, arrival.code)
        pseudonym = self._pseudonyms.of("subject", str(claims["iss"]), str(claims["sub"]))
        name, now = claims.get(self._name_claim), self._clock()
        groups = groups_in(claims.get(self._group_claim))
        person = Person(
            pseudonym,
            name if isinstance(name, str) else "",
            roles_of_groups(self._group_roles, groups),
        )

        def admit(session: Session) -> str:
            account_id = admit_person(session, person, conflicts=self._conflicts, now=now)
            return start_session(session, account_id, how="provider", limits=self.limits, now=now)

        try:
            secret = self._database.transact(admit)
        except ConflictError:
            with self._database.read() as session:
                known = account_of(session, pseudonym)
            if known is not None:
                self._note_refusal(known, "roles_conflict", None)
            raise
        self.sessions.clear()
        return secret, next_path

    def _use_state(self, arrival: Arrival) -> str:
        """The path that a log-in was for. Raises LogInError unless it may end here (rule 2)."""
        digest = token_digest(arrival.state[:_STATE_LIMIT])
        now = self._clock()

        def use(session: Session) -> tuple[bytes, str] | None:
            mine = _state.c.digest == digest
            row = session.execute(select(_state).where(mine, _state.c.expires_at > now)).first()
            if row is None or changed_rows(session, delete(_state).where(mine)) != 1:
                return None
            return row.browser, row.next_path

        found = self._database.transact(use)
        browser = token_digest(arrival.browser[:_STATE_LIMIT])
        if found is None or not hmac.compare_digest(found[0], browser):
            raise LogInError(
                "This log-in was used, took longer than ten minutes, or began in another browser.",
                remedy="Begin again at /log-in.",
            )
        return found[1]

    def _require_provider(self) -> Provider:
        if self.provider is None:
            raise ConflictError(
                "This registry has no identity provider.", remedy="Log in here, at /log-in."
            )
        return self.provider

    def _note_refusal(self, account_id: str, why: str, address: str | None) -> None:
        facts: dict[str, object] = {"account": account_id, "why": why}
        if address is not None:
            facts["address"] = self._pseudonyms.of("address", address).hex()
        entry = Entry(EntryKind.SESSION_REFUSED, account_id, facts)
        now = self._clock()
        self._database.transact(lambda session: append_entries(session, [entry], at=now))


def _journey(state: str, browser: str, redirect_uri: str) -> Journey:
    """Nonce and verifier of rule 2; 43 characters each, as RFC 7636 §4.1 wants at least."""
    return Journey(redirect_uri, state, _derived(browser, b"nonce"), _derived(browser, b"pkce"))


def _derived(secret: str, what: bytes) -> str:
    digest = hmac.digest(secret.encode("utf-8", "replace"), b"registry/" + what, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _provider(settings: Settings, clock: Clock) -> Provider | None:
    if not settings.oidc_issuer:
        return None
    known = ProviderSettings(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=_client_secret(settings),
        algorithms=settings.oidc_algorithms or ("RS256", "ES256"),
        scopes=tuple(dict.fromkeys(("openid", *(settings.oidc_scopes or ("profile",))))),
    )
    return Provider(known, clock)


def _client_secret(settings: Settings) -> str:
    if settings.oidc_client_secret or not settings.oidc_client_secret_file:
        return settings.oidc_client_secret
    try:
        return Path(settings.oidc_client_secret_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"REGISTRY_OIDC_CLIENT_SECRET_FILE, {settings.oidc_client_secret_file}, "
            "cannot be read.",
            remedy="Put the client secret there, readable for this user alone.",
        ) from error
