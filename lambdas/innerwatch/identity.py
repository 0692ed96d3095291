"""Who acted: picks, from all that an event says about its actor, the evidence to trust, and finds the person."""

from functools import lru_cache
from typing import NamedTuple, Protocol

from innerwatch.values import CLAIMED_TWICE, NOBODY, Actor, Evidence, Owner


class Method(NamedTuple):
    rank: int  # lower is stronger
    confidence: str


# Strongest first. Certain: AWS or the application itself authenticated this very account. Asserted: an identity
# provider or a trust policy vouches for it. Guessed: whoever assumed the role typed it.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html (sourceIdentity)
METHODS: dict[str, Method] = {
    "application": Method(0, "certain"),
    "identity_center": Method(1, "certain"),
    "source_identity": Method(2, "asserted"),
    "sso_session": Method(3, "certain"),
    "saml": Method(4, "asserted"),
    "web_identity": Method(5, "asserted"),
    "iam_user": Method(6, "certain"),
    "access_key": Method(7, "certain"),
    "owner": Method(8, "asserted"),
    "remote_user": Method(9, "asserted"),
    "session_name": Method(10, "guessed"),
}


class Owners(Protocol):
    """What identity needs of the employee directory."""

    def owner(self, identifier: str, time: int) -> Owner: ...


class Resolution(NamedTuple):
    """The `employee.resolution.*` of a document; `employee_id` is empty where no person was found."""

    employee_id: str
    method: str
    confidence: str
    reason: str
    person: bool  # whether the actor should be a person HR knows; if so and without an id, that is a finding


@lru_cache(maxsize=4096)
def by_strength(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    return tuple(sorted(evidence, key=lambda item: METHODS[item.method].rank))


def resolve(actor: Actor, owners: Owners, time: int) -> Resolution:
    """The person behind an event.

    Evidence that leads to nobody gives way to weaker evidence, unless that was merely chosen by the caller: somebody
    whose `sourceIdentity` is unknown must not become Ana by naming the session after her. An identifier that two
    people claim ends the search, since going on could merge them.
    """
    if actor.no_person:
        return _resolution("", "none", "none", actor.no_person, False)
    reasons: list[str] = []
    strongest = "none"
    for method, identifier in by_strength(actor.evidence):
        if reasons and METHODS[method].confidence == "guessed" and METHODS[strongest].confidence != "guessed":
            break
        employee_id, reason = owners.owner(identifier, time)
        if employee_id:
            return _resolution(employee_id, method, METHODS[method].confidence, "", True)
        if method == "owner" and reason == NOBODY:
            continue  # owner maps name agents only: of anybody else they say nothing
        if strongest == "none":
            strongest = method
        reasons.append(reason)
        if reason == CLAIMED_TWICE:
            break
    if not reasons:
        return _resolution("", "none", "none", "the event names nobody", False)
    return _resolution("", strongest, "none", reasons[-1], _names_a_person(strongest, actor.evidence))


# Few people act again and again: looking a Resolution up takes a third of the time of making it.
_resolution = lru_cache(maxsize=16384)(Resolution)


@lru_cache(maxsize=4096)
def _names_a_person(strongest: str, evidence: tuple[Evidence, ...]) -> bool:
    """Whether an account that nobody has is one that somebody should have.

    What a program calls its session (`GlueJobRunnerSession`) is no person's account, unless it is a mail address.
    """
    return METHODS[strongest].confidence != "guessed" or any(item.identifier.startswith("email:") for item in evidence)
