"""A version of a real registry in every format for machines, from its events to the proof."""

from __future__ import annotations

import json

import pytest

from registry.audit.notes import VerifierKey
from registry.cards.answers import build_card
from registry.cards.bundle.document import make_bundle, verify_bundle
from registry.cards.bundle.evidence import read_proofs
from registry.cards.bundle.proofs import indexes_in
from registry.cards.card import Kind
from registry.cards.croissant.check import check_croissant
from registry.cards.croissant.document import croissant_bytes
from registry.cards.huggingface.document import as_huggingface
from registry.cards.huggingface.vocabulary import check_front_matter, load_vocabulary
from registry.cards.importing.files import import_file
from registry.cards.json_form import as_json
from registry.cards.questions.reading import load_questions
from registry.client.http import HttpClient
from registry.keys.tables import Purpose
from registry.request import House
from tests.cards.reading import facts_of
from tests.cards.test_croissant import warnings_of_mlcroissant
from tests.cards.test_huggingface import taken_apart
from tests.cards.test_json_form import VALIDATOR
from tests.ledger.erasures import chain

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_version_comes_out_valid_in_every_format(house: House, admin: HttpClient) -> None:
    chain(house, admin)
    words, questions = load_vocabulary(), load_questions()
    signed = house.audit.catch_up()
    origin = signed.note.partition("\n")[0]
    signing = house.audit.keyring.active(Purpose.SIGNING)
    assert signing.public_key is not None
    keys = [VerifierKey(origin, signing.public_key)]
    for name in ("raw", "cut", "packed"):
        facts = facts_of(house, name)
        croissant, readme = croissant_bytes(facts), as_huggingface(facts, words)
        assert check_croissant(json.loads(croissant)).errors == ()
        warnings_of_mlcroissant(json.loads(croissant))
        assert check_front_matter(taken_apart(readme)[0], words) == ()
        assert import_file(croissant).statements == import_file(readme).statements == ()
        cards = {f"{kind}/card.json": as_json(build_card(kind, facts, questions)) for kind in Kind}
        for written in cards.values():
            VALIDATOR.validate(json.loads(written))
        with house.database.read() as session:
            proofs = read_proofs(session, indexes_in(facts), opened=True)
        members = {**cards, "croissant.json": croissant, "README.md": readme}
        data = make_bundle(
            facts,
            members,
            proofs,
            origin=origin,
            made_at=house.clock(),
            secret=signing.require_secret(),
        )
        report = verify_bundle(data, keys)
        assert report.facts_digest == facts.digest
        assert report.proved.proved == len(indexes_in(facts)) > 0
        assert report.proved.pending == ()
