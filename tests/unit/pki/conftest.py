from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from segur.pki.authority import Authority
from segur.pki.material import Material
from segur.pki.names import PersonSubject

CRL_URL = "http://localhost:8080/crl"
DOCTOR = PersonSubject("899700000017", "ADRUN", "ZOÉ")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority's folder, made once and copied by each test: keys take time."""
    folder = tmp_path_factory.mktemp("authority") / "pki"
    Authority.open(folder, public_names=["sandbox.example"], crl_url=CRL_URL)
    return folder


@pytest.fixture
def authority(made_once: Path, tmp_path: Path) -> Authority:
    shutil.copytree(made_once, tmp_path / "pki")
    return Authority.open(tmp_path / "pki", public_names=["sandbox.example"], crl_url=CRL_URL)


@pytest.fixture
def client(authority: Authority) -> Callable[..., Material]:
    def make(role: str, campaign: str = "default") -> Material:
        return authority.client_material(
            campaign, role, structure_id="10B0152872", organisation="EHPAD DES TILLEULS", person=DOCTOR
        )

    return make
