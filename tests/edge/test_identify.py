"""From settings to who is believed: development adds its own key, `serve` has only what it is given."""

from __future__ import annotations

import dataclasses
import json

import pytest

from protoplane.app import NotStartedError, identify
from protoplane.base.errors import Fault
from protoplane.base.settings import Environment, Settings
from protoplane.contract.model import Contract
from protoplane.identity.tokens import Signer

OURS = Signer.new()


def bearer(signer: Signer, settings: Settings, subject: str = "alice") -> str:
    auth = settings.auth
    return f"Bearer {signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=60)}"


def test_development_believes_its_own_key_beside_the_configured_ones(settings: Settings, contract: Contract) -> None:
    identity = identify(dataclasses.replace(settings, jwks=json.dumps(OURS.jwks())), contract)
    assert identity.signer is not None
    for signer in (identity.signer, OURS):
        assert identity.verifier.authenticate(bearer(signer, settings)).subject == "alice"


def test_serve_believes_the_configured_keys_only(settings: Settings, contract: Contract) -> None:
    development = identify(settings, contract)
    production = dataclasses.replace(settings, environment=Environment.SERVE, jwks=json.dumps(OURS.jwks()))
    identity = identify(production, contract)
    assert identity.signer is None
    assert identity.verifier.authenticate(bearer(OURS, settings)).permissions == frozenset()
    assert development.signer is not None
    with pytest.raises(Fault):
        identity.verifier.authenticate(bearer(development.signer, settings))


def test_the_developer_may_do_everything_in_development_unless_told_otherwise(settings: Settings, contract: Contract) -> None:
    def permissions(changed: Settings) -> frozenset[str]:
        identity = identify(changed, contract)
        assert identity.signer is not None
        return identity.verifier.authenticate(bearer(identity.signer, settings, "developer")).permissions

    assert permissions(settings) == {"books.get"}
    assert permissions(dataclasses.replace(settings, grants={"developer": ()})) == frozenset()


def test_serve_grants_the_developer_nothing(settings: Settings, contract: Contract) -> None:
    production = dataclasses.replace(settings, environment=Environment.SERVE, jwks=json.dumps(OURS.jwks()))
    verifier = identify(production, contract).verifier
    assert verifier.authenticate(bearer(OURS, settings, "developer")).permissions == frozenset()


def test_bad_keys_and_bad_grants_are_told_together(settings: Settings, contract: Contract) -> None:
    with pytest.raises(NotStartedError) as caught:
        identify(dataclasses.replace(settings, jwks='{"keys": []}', grants={"alice": ("books.gett",)}), contract)
    assert len(caught.value.problems) == 2
    assert "did you mean 'books.get'?" in str(caught.value)
