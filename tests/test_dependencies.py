"""What pyproject.toml asks for: before 1.0 the next minor version may break anything."""

import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

_PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
_ASKED = [*_PROJECT["dependencies"], *chain(*_PROJECT["optional-dependencies"].values())]
_OTHERS = [wanted for wanted in map(Requirement, _ASKED) if wanted.name != _PROJECT["name"]]


@pytest.mark.parametrize("wanted", _OTHERS, ids=str)
def test_a_dependency_has_a_lower_bound_and_before_1_0_an_upper_one(wanted: Requirement) -> None:
    bounds = {bound.operator: Version(bound.version) for bound in wanted.specifier}
    assert ">=" in bounds
    assert bounds[">="] >= Version("1") or "<" in bounds
