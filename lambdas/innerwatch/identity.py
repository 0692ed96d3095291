"""Who acted: picks, from all that an event says about its actor, the evidence to trust, and finds the person."""

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
    person: bool  # whether the actor is meant to be a person at all; if so and without an id, that is a finding


def by_strength(evidence: tuple[Evidence, ...]) -> list[Evidence]:
    return sorted(evidence, key=lambda item: METHODS[item.method].rank)


def resolve(actor: Actor, owners: Owners, time: int) -> Resolution:
    """The person behind an event.

    Evidence that leads to nobody gives way to weaker evidence, unless that was merely chosen by the caller: somebody
    whose `sourceIdentity` is unknown must not become Ana by naming the session after her. An identifier that two
    people claim ends the search, since going on could merge them.
    """
    if actor.no_person:
        return Resolution("", "none", "none", actor.no_person, person=False)
    reasons: list[str] = []
    strongest = "none"
    for method, identifier in by_strength(actor.evidence):
        rank = METHODS[method]
        if reasons and rank.confidence == "guessed" and METHODS[strongest].confidence != "guessed":
            break
        employee_id, reason = owners.owner(identifier, time)
        if employee_id:
            return Resolution(employee_id, method, rank.confidence, "", person=True)
        if method == "owner" and reason == NOBODY:
            continue  # owner maps name agents only: of anybody else they say nothing
        if strongest == "none":
            strongest = method
        reasons.append(reason)
        if reason == CLAIMED_TWICE:
            break
    return Resolution("", strongest, "none", reasons[-1] if reasons else "the event names nobody", person=bool(reasons))
