"""Process Run Crate 0.5: RO-Crate 1.1 metadata (JSON-LD) of runs and the files they left.

Each run is a ``CreateAction`` whose instrument is Skyvern and whose results are files of the crate
(https://w3id.org/ro/wfrun/process/0.5).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import quote

from archiver.export.content import PackedFile
from archiver.model.run import ChosenRun

METADATA = "ro-crate-metadata.json"
SUMS = "SHA256SUMS"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = (
    "https://w3id.org/ro/crate/1.1/context",
    {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
)
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_SKYVERN = "https://www.skyvern.com/"
_TERMS = "#terms"
_ORGANIZATION = "#organization"
_COMPLETED = "http://schema.org/CompletedActionStatus"
_FAILED = "http://schema.org/FailedActionStatus"
Entity: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Described:
    """A file of the crate, with what is known of it besides."""

    file: PackedFile
    title: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class RunPart:
    """A run's folder in the crate. ``results`` are the paths of what the run left behind."""

    run: ChosenRun
    folder: str
    files: Sequence[Described]
    results: Sequence[str]


@dataclass(frozen=True, slots=True)
class CrateDescription:
    """What is said of the crate as a whole."""

    name: str
    description: str
    published_at: datetime
    organization: str | None = None


def graph(
    about: CrateDescription, runs: Sequence[RunPart], others: Sequence[Described]
) -> Iterable[Entity]:
    """The entities, one by one: there may be very many."""
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": _SPECIFICATION},
    }
    yield _root(about, runs, others)
    yield from _context(about)
    for other in others:
        yield _file(other)
    for part in runs:
        yield {
            "@id": f"{_address(part.folder)}/",
            "@type": "Dataset",
            "name": f"Files of the run {part.run.run_id}",
            "hasPart": _references(_address(of.file.name) for of in part.files),
        }
        yield _action(part, about.organization)
        for of in part.files:
            yield _file(of)


def _root(about: CrateDescription, runs: Sequence[RunPart], others: Sequence[Described]) -> Entity:
    parts = [*(_address(o.file.name) for o in others), *(f"{_address(p.folder)}/" for p in runs)]
    published = {"@id": _ORGANIZATION} if about.organization else None
    return _known(
        {
            "@id": "./",
            "@type": "Dataset",
            "name": about.name,
            "description": about.description,
            "datePublished": _moment(about.published_at),
            "license": {"@id": _TERMS},
            "conformsTo": {"@id": PROFILE},
            "publisher": published,
            "hasPart": _references(parts),
            "mentions": _references(f"#{part.run.run_id}" for part in runs),
        }
    )


def _context(about: CrateDescription) -> Iterable[Entity]:
    yield {
        "@id": PROFILE,
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": "0.5",
    }
    yield {
        "@id": _TERMS,
        "@type": "CreativeWork",
        "name": "No terms of use are stated",
        "description": "Ask whoever handed this over what it may be used for.",
    }
    yield {
        "@id": _SKYVERN,
        "@type": "SoftwareApplication",
        "name": "Skyvern",
        "url": _SKYVERN,
        "softwareVersion": "not known: the service does not say",
    }
    if about.organization:
        yield {
            "@id": _ORGANIZATION,
            "@type": "Organization",
            "name": about.organization,
        }


def _action(part: RunPart, organization: str | None) -> Entity:
    run = part.run
    is_failed = run.is_final and run.status != "completed"
    return _known(
        {
            "@id": f"#{run.run_id}",
            "@type": "CreateAction",
            "name": run.title or f"Run {run.run_id}",
            "description": f"{run.run_type or 'run'} {run.run_id}, {run.status}"
            + (f", started at {run.request_url}" if run.request_url else ""),
            "identifier": run.run_id,
            "instrument": {"@id": _SKYVERN},
            "agent": {"@id": _ORGANIZATION} if organization else None,
            "startTime": _moment(run.started_at or run.created_at),
            "endTime": _moment(run.finished_at),
            # Neither is said of a run that has not ended.
            "actionStatus": (_FAILED if is_failed else _COMPLETED) if run.is_final else None,
            "error": (run.failure_reason or run.status) if is_failed else None,
            "result": _references(map(_address, part.results)),
        }
    )


def _file(of: Described) -> Entity:
    return _known(
        {
            "@id": _address(of.file.name),
            "@type": "File",
            "name": of.title or of.file.name.rpartition("/")[2],
            "encodingFormat": of.media_type,
            "contentSize": str(of.file.size),
            "sha256": of.file.sha256,
        }
    )


def _known(entity: Mapping[str, Any]) -> Entity:
    return {name: value for name, value in entity.items() if value is not None}


def _references(addresses: Iterable[str]) -> list[Entity] | Entity | None:
    """References to entities; a single one is no list (RO-Crate 1.1, appendix "JSON-LD")."""
    references = [{"@id": address} for address in addresses]
    return references[0] if len(references) == 1 else references or None


def _address(name: str) -> str:
    return quote(name)


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment else None
