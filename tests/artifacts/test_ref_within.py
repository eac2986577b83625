"""Refs of members that know their collection."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sematic_airflow_provider.artifacts.artifact import Artifact
from sematic_airflow_provider.artifacts.handing import read_with
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import open_repository
from sematic_airflow_provider.errors import InvalidRefError
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.fold import fold
from tests.events import ref, task_event

WHOLE = ref("flow.make.return_value", codec="tree/1")
MEMBER = ref("", "member", "npy/1").member_of(WHOLE)


def test_it_travels_as_json_and_is_no_part_of_the_identity() -> None:
    back = ArtifactRef.from_json(json.loads(json.dumps(MEMBER.to_json())))
    assert back.within == WHOLE
    assert back == MEMBER == MEMBER.member_of(None)
    assert hash(back) == hash(MEMBER.member_of(None))


def test_a_manifest_is_the_same_whatever_collection_its_members_came_from() -> None:
    store = open_repository("memory://ref-within")
    member = store.save(np.arange(3))
    whole = store.save([member, np.arange(4)], name="flow.make.return_value")
    plain = store.save([member])
    assert store.save([member.member_of(whole)]) == plain
    assert store.save([Artifact(member.member_of(whole), store)]) == plain
    assert store.save(member.member_of(whole)).within is None


def test_reading_a_member_is_reading_of_its_collection() -> None:
    assert read_with(MEMBER, open_repository("memory://ref-within")) == [WHOLE]


def test_lineage_gives_the_collection_the_argument_of_its_member() -> None:
    event = task_event("COMPLETE", "total", map_index=1, reads={"values": WHOLE})
    event["run"]["facets"]["sematic_step"]["arguments"] = {"values": MEMBER.to_json()}
    (data,) = fold([parse_event(event)]).data
    assert (data.label, data.name, data.ref and data.ref.digest) == ("values", WHOLE.name, WHOLE.digest)


@pytest.mark.parametrize("within", ["text", 5, [], {"digest": "x"}, {**WHOLE.to_json(), "within": WHOLE.to_json()}])
def test_a_collection_that_is_none_is_refused(within: object) -> None:
    with pytest.raises(InvalidRefError):
        ArtifactRef.from_json({**MEMBER.to_json(), "within": within})
