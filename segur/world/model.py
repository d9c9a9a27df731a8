"""The people and places of the synthetic world, as plain values.

Field terms are those of the référentiel national d'identitovigilance (RNIV) and of the RPPS. Dates of
birth are strings `YYYY-MM-DD` because lunar dates exist (day or month `00`, `13`, `31` of June…).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

OID_NIR = "1.2.250.1.213.1.4.8"
OID_NIA = "1.2.250.1.213.1.4.9"
OID_NIR_TEST = "1.2.250.1.213.1.4.10"
OID_NIR_DEMO = "1.2.250.1.213.1.4.11"


class Nature(StrEnum):
    """What a matricule is: told by its OID, never by its digits."""

    NIR = "NIR"
    NIA = "NIA"


@dataclass(frozen=True, slots=True)
class Matricule:
    """A matricule INS: 13 characters, its two-digit key, its nature and its validity (INSi `DateDeb`/`DateFin`).

    `key` is kept as recorded, right or wrong: one public test person carries a wrong one on purpose.
    """

    number: str
    key: str
    nature: Nature = Nature.NIR
    start: str | None = None
    end: str | None = None

    def oid(self, nir_oid: str) -> str:
        """Return the OID of this matricule; `nir_oid` is the sandbox's setting for a NIR."""
        return OID_NIA if self.nature is Nature.NIA else nir_oid


@dataclass(frozen=True, slots=True)
class Patient:
    """A person of the world, as the reference base (INSi) knows them.

    Attributes:
        id: stable slug (`adrun-zoe`, `p-000042`).
        cast: role in the fixed cast of the scenarios (`Q1`, `H2`…) or empty.
        birth_name / given_names: as INSi returns them: upper case, no accent.
        sex: `M`, `F`, or empty for the personas with an empty trait.
        birth_date: `YYYY-MM-DD`, possibly lunar, or empty.
        birth_place: COG of the commune at the date of birth, `99xxx` abroad.
        matricule: the active one; None for a person INSi doesn't know.
        history: former matricules (INSHISTO).
        known_to_insi: False for people the reference base doesn't hold.
        used_name / used_given_name: complementary traits, never filled from INSi.
        raw_birth_name / raw_given_names: the civil-status writing with accents and ligatures.
        birth_rank: rang gémellaire, `1` unless twin.
        insured: matricule (13 characters) of the ouvrant droit for a child, or empty.
        local: traits a DUI would hold where they differ from the reference (identity changed at INSEE).
        answer: forced INSi answer for a public test person (`insi_102`) or empty.
        tags: what makes the persona special (`corse`, `jumeau`, `date_lunaire`, `nom_long`…).
        source: where the identity comes from (`CNDA 2.03 cas1`, `curated`, `bulk`).
    """

    id: str
    birth_name: str
    given_names: tuple[str, ...]
    sex: str
    birth_date: str
    birth_place: str
    matricule: Matricule | None
    history: tuple[Matricule, ...] = ()
    known_to_insi: bool = True
    cast: str = ""
    used_name: str = ""
    used_given_name: str = ""
    raw_birth_name: str = ""
    raw_given_names: tuple[str, ...] = ()
    birth_rank: str = "1"
    insured: str = ""
    deceased_on: str = ""
    local: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    tags: tuple[str, ...] = ()
    source: str = "bulk"
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure of the medico-social or health sector (entité géographique).

    `kind`: `EHPAD`, `FAM`, `MAS`, `IME`, `FOYER`, `SAAD`, `SSIAD`, `SAMSAH`, `ESAT`, `LABO`, `CH`, `CABINET`…
    `sector`: code secteur d'activité TRE_R02 (`SA17` EHPAD…). `structure_id`: `1`+FINESS or `3`+SIRET, the OU of
    its IGC-Santé certificates.
    """

    id: str
    name: str
    kind: str
    sector: str
    finess: str
    finess_ej: str
    siret: str
    structure_id: str
    address: str
    postal_code: str
    city: str
    cog: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Activity:
    """A situation d'exercice: a professional working in a structure."""

    id: str
    professional: str
    structure: str
    profession: str  # code TRE_G15 (`10` médecin, `60` infirmier…) or role code
    category: str  # `C` civil, `E` étudiant, `M` militaire
    specialty: str  # savoir-faire code (`SM54`…) or empty
    mode: str  # `S` salarié, `L` libéral, `B` bénévole
    sector: str
    role: str  # genre d'activité / rôle code or empty


@dataclass(frozen=True, slots=True)
class Professional:
    """A professional. `national_id` is prefixed as in IHE XDS (`8`+RPPS, `0`+ADELI, `3`+FINESS/…, `5`+SIRET/…)."""

    id: str
    rpps: str
    national_id: str
    civility: str
    title: str
    family_name: str
    given_name: str
    profession: str
    specialty: str
    activities: tuple[Activity, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox MSSanté. `kind`: `PER`, `ORG`, `APP`, `CAB` or `USAGER`; `owner` is a professional, structure or patient id."""

    address: str
    kind: str
    owner: str
    structure: str
    label: str
    red_list: bool = False


@dataclass(frozen=True, slots=True)
class WorldInfo:
    """How a world was made: the same values make the same bytes."""

    seed: int
    patients: int
    professionals: int
    structures: int
    version: str
