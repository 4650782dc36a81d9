"""The demo's model learns, and is saved as it was."""

from __future__ import annotations

import numpy as np
import pytest

from registry.demo.classifier import Classifier, accuracy, commonest_share, train, words_of

TEXTS = ["Opens a socket to a host", "Closes the socket", "Parses a date", "Formats the date"]
LABELS = ["socket", "socket", "datetime", "datetime"]


def test_words_are_runs_of_letters() -> None:
    assert words_of("Return x, the ``file_name`` of 2 Files") == [
        "return",
        "the",
        "file_name",
        "of",
        "files",
    ]


def test_it_learns_what_it_is_taught() -> None:
    model = train(TEXTS, LABELS)
    assert model.labels == ("datetime", "socket")
    assert model.predict(["A socket again", "What date is it"]) == ["socket", "datetime"]


def test_probabilities_are_those_of_naive_bayes() -> None:
    model = train(["ab ab cd", "cd"], ["x", "y"])
    assert model.words == ("ab", "cd")
    # Add-one smoothing: x has (2 + 1, 1 + 1) of 5, y has (0 + 1, 1 + 1) of 3.
    assert np.exp(model.likelihood) == pytest.approx(np.array([[3 / 5, 2 / 5], [1 / 3, 2 / 3]]))
    assert np.exp(model.prior) == pytest.approx(np.array([0.5, 0.5]))


def test_a_text_without_known_words_gets_the_commonest_label() -> None:
    model = train([*TEXTS, "Binds a socket"], [*LABELS, "socket"])
    assert model.predict([""]) == ["socket"]


def test_it_is_saved_as_it_was() -> None:
    model = train(TEXTS, LABELS)
    content = model.to_bytes()
    again = Classifier.from_bytes(content)
    assert again.predict(TEXTS) == model.predict(TEXTS)
    assert (again.labels, again.words) == (model.labels, model.words)
    assert again.to_bytes() == content


def test_accuracy_is_a_share() -> None:
    assert accuracy(["a", "b"], ["a", "a"]) == 0.5
    assert accuracy([], []) == 0.0
    assert commonest_share(["a", "a", "b"], ["a", "b", "b", "b"]) == 0.25
