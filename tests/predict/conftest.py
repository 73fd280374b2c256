"""Calls as users make them: without the run-time checker of types."""

import jaxtyping
import pytest


@pytest.fixture
def unchecked(monkeypatch):
    """A word that no annotation allows reaches the library, whose own sentence names it."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
