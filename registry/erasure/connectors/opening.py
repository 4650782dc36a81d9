"""Opens the connector of a target as the settings allow, and says what is in its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from registry.erasure.connectors.bucket import BucketPlace, s3_client
from registry.erasure.connectors.credentials import Credentials
from registry.erasure.connectors.edge import at_edge
from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.forms import form_of
from registry.erasure.connectors.huggingface import HuggingFaceConnector
from registry.erasure.connectors.places import Place
from registry.erasure.connectors.protocol import Connector, Executor, Target, Watch
from registry.erasure.connectors.spread import SpreadConnector
from registry.erasure.connectors.sql_tables import SqlConnector
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble
from registry.ledger.fetch import is_under
from registry.settings import Settings


@dataclass(frozen=True, slots=True)
class Connectors:
    """What connectors are made of. `spool`: folder of nameless local copies of objects; `networks`:
    private ones where notices may go.
    """

    file_roots: tuple[str, ...]
    credentials: Credentials
    s3_endpoint: str = ""
    s3_region: str = ""
    spool: Path | None = None
    networks: tuple[str, ...] = ()

    def of(self, target: Target) -> Connector:
        """The connector that erases in a target.

        Raises StoppedError where none does: a credential is missing, a library is not installed,
        or only a person or another system can do it.
        """
        match target.executor:
            case Executor.FILES:
                place = self.place_of(target)
                return _of_folder(target, place, FileConnector(place))
            case Executor.HUGGINGFACE:
                place = self.place_of(target)
                return _of_folder(target, place, HuggingFaceConnector(place))
            case Executor.LANCE:
                # Lance takes most of a second to load.
                from registry.erasure.connectors.lance_tables import LanceConnector

                return LanceConnector(self.file_roots, self._lance_options)
            case Executor.SQL:
                return SqlConnector(self._database_url)
            case Executor.WEBHOOK | Executor.MANUAL:
                raise StoppedError(
                    Reason.NOT_OURS, f"{target.uri} is erased in by others, who say so."
                )

    def place_of(self, target: Target) -> Place:
        """Where the files of a target lie. Raises StoppedError."""
        if urlsplit(target.uri).scheme != "s3":
            return FolderPlace(self.file_roots)
        if not is_under(target.uri, self.file_roots):
            raise StoppedError(
                Reason.OUTSIDE_ROOTS, f"{target.uri} does not lie under an allowed prefix."
            )
        client = s3_client(self._s3_options(target.credential))
        return BucketPlace(self.file_roots, client, self.spool)

    def check(self, target: Target) -> Trouble | None:
        """What would stand in the way of an erasure in a target; changes nothing.

        For a folder that is its place; for a file, table or database also that it can be opened.
        """
        if target.executor in (Executor.WEBHOOK, Executor.MANUAL):
            return None

        return at_edge(
            target.uri,
            Watch(),
            lambda _: self.of(target).check(target),
            lambda trouble: trouble,
        )

    def _database_url(self, name: str | None) -> str:
        if name is None:
            raise StoppedError(Reason.CREDENTIAL_MISSING, "The target names no credential.")
        return self.credentials.get(name).require("url")

    def _s3_options(self, name: str | None) -> Mapping[str, str]:
        ours = {"endpoint": self.s3_endpoint, "region": self.s3_region}
        return ours if name is None else {**ours, **self.credentials.get(name).values}

    def _lance_options(self, name: str | None) -> Mapping[str, str]:
        """As Lance's stores name them."""
        said = self._s3_options(name)
        keys = ("endpoint", "region", "access_key_id", "secret_access_key", "session_token")
        options = {f"aws_{key}": said[key] for key in keys if said.get(key)}
        if urlsplit(said.get("endpoint", "")).scheme == "http":
            options["allow_http"] = "true"
        return options


def _of_folder(target: Target, place: Place, connector: Connector) -> Connector:
    """The connector itself for a file; for what may be a folder, one that asks for its files."""
    if target.by_key:
        return SpreadConnector(place, connector)
    try:
        form_of(target.uri, target.form)
    except StoppedError:
        return SpreadConnector(place, connector)
    return connector


def connectors_of(settings: Settings) -> Connectors:
    """The connectors that these settings allow."""
    return Connectors(
        settings.file_roots,
        Credentials(settings.credentials_file),
        settings.s3_endpoint,
        settings.s3_region,
        networks=settings.private_networks,
    )
