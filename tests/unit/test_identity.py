"""Whom an event's evidence leads to, and how far it can be trusted."""

import pytest

from innerwatch.identity import METHODS, resolve
from innerwatch.values import CLAIMED_TWICE, NOBODY, Actor, Evidence, Owner


class Known:
    """A directory of fixed identifiers."""

    def __init__(self, **owners: str) -> None:
        self.owners = owners

    def owner(self, identifier: str, time: int) -> Owner:
        employee = self.owners.get(identifier.split(":", 1)[1], "")
        return Owner("", CLAIMED_TWICE) if employee == "two" else Owner(employee, "" if employee else NOBODY)


def actor(**evidence: str) -> Actor:
    return Actor(tuple(Evidence(method, f"username:{name}") for method, name in evidence.items()))


@pytest.mark.parametrize("stronger", ["identity_center", "source_identity", "sso_session", "saml"])
def test_what_the_caller_chose_never_beats_what_was_vouched_for(stronger: str) -> None:
    found = resolve(actor(session_name="ben", **{stronger: "ana"}), Known(ana="e-1", ben="e-2"), 0)
    assert (found.employee_id, found.method, found.confidence) == ("e-1", stronger, METHODS[stronger].confidence)


def test_a_session_name_on_any_role_is_a_guess() -> None:
    found = resolve(actor(session_name="ben"), Known(ben="e-2"), 0)
    assert (found.employee_id, found.confidence) == ("e-2", "guessed")


def test_nobody_becomes_ana_by_naming_the_session_after_her() -> None:
    found = resolve(actor(source_identity="stranger", session_name="ana"), Known(ana="e-1"), 0)
    assert (found.employee_id, found.method, found.confidence) == ("", "source_identity", "none")
    assert found.person
    assert found.reason == NOBODY


def test_weaker_but_vouched_evidence_helps_where_the_feed_lacks_the_stronger_id() -> None:
    found = resolve(actor(identity_center="9067-unknown", sso_session="ana"), Known(ana="e-1"), 0)
    assert (found.employee_id, found.method) == ("e-1", "sso_session")


def test_two_people_are_never_merged() -> None:
    found = resolve(actor(iam_user="shared", owner="ana"), Known(shared="two", ana="e-1"), 0)
    assert (found.employee_id, found.reason) == ("", CLAIMED_TWICE)


def test_a_service_is_no_person_whatever_else_the_event_says() -> None:
    service = Actor((Evidence("session_name", "username:ana"),), no_person="AWS service ec2.amazonaws.com")
    found = resolve(service, Known(ana="e-1"), 0)
    assert (found.employee_id, found.method, found.person) == ("", "none", False)
    assert found.reason == "AWS service ec2.amazonaws.com"


def test_an_event_that_names_nobody_is_not_an_unknown_person() -> None:
    assert not resolve(Actor(), Known(), 0).person


def test_an_owner_map_that_does_not_know_a_role_leaves_its_session_name_to_be_guessed() -> None:
    found = resolve(actor(owner="some-role", session_name="ana"), Known(ana="e-1"), 0)
    assert (found.employee_id, found.method, found.confidence) == ("e-1", "session_name", "guessed")
    assert not resolve(actor(owner="some-role"), Known(ana="e-1"), 0).person


def test_the_owner_of_an_agents_role_beats_the_name_of_its_session() -> None:
    found = resolve(actor(owner="agent-role", session_name="ana"), Known(**{"agent-role": "e-2", "ana": "e-1"}), 0)
    assert (found.employee_id, found.method, found.confidence) == ("e-2", "owner", "asserted")


def test_a_vouched_account_of_nobody_is_a_finding() -> None:
    assert resolve(actor(sso_session="stranger"), Known(), 0).person


def test_what_a_program_calls_its_session_is_no_unknown_person() -> None:
    found = resolve(actor(session_name="gluejobrunnersession"), Known(), 0)
    assert (found.method, found.confidence, found.person) == ("session_name", "none", False)
    mail = Actor((Evidence("session_name", "email:stranger@example.com"),))
    assert resolve(mail, Known(), 0).person
