"""`make deploy`: its variables are the template's parameters, and what CloudFormation says comes as one line."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from innerwatch.errors import UserError
from innerwatch_cli import deploying
from innerwatch_cli.deploying import Stack

FAILED = "Resource creation cancelled"


def event(name: str, status: str, reason: str = "") -> dict[str, str]:
    found = {"LogicalResourceId": name, "ResourceType": "AWS::S3::Bucket", "ResourceStatus": status}
    return found | ({"ResourceStatusReason": reason} if reason else {})


class CloudFormation:
    """Answers as the service does, of a stack that goes through `states`; "" is none."""

    def __init__(self, *states: str, events: list[list[dict[str, str]]] | None = None, change: str = "") -> None:
        self.states, self.change = list(states), change
        self.batches = events or [[]]
        self.deleted: list[str] = []
        self.asked: dict[str, Any] = {}

    def describe_stacks(self, **asked: str) -> Any:
        state = self.states[0] if len(self.states) == 1 else self.states.pop(0)
        if not state:
            message = f"Stack with id {asked['StackName']} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        parameters = [{"ParameterKey": "Namespace", "ParameterValue": "kept"}]
        return {"Stacks": [{"StackStatus": state, "Parameters": parameters}]}

    def get_paginator(self, _name: str) -> "CloudFormation":
        return self

    def paginate(self, **asked: str) -> Any:
        return [{"StackEvents": self.batches[0] if len(self.batches) == 1 else self.batches.pop(0)}]

    def create_change_set(self, **asked: Any) -> Any:
        self.asked = asked
        return {"Id": "change"}

    def describe_change_set(self, **asked: str) -> Any:
        status = "FAILED" if self.change else "CREATE_COMPLETE"
        return {"Status": status, "StatusReason": self.change}

    def delete_change_set(self, **asked: str) -> None:
        self.deleted.append(asked["ChangeSetName"])

    def execute_change_set(self, **asked: str) -> None:
        pass


def change(service: CloudFormation, **values: str) -> str:
    stack = Stack(service, "example")  # type: ignore[arg-type]  # a stand-in
    stack.pause = 0
    return stack.changed("https://example.com/template", values)


def test_every_parameter_has_a_variable_of_its_own() -> None:
    names = [deploying.environment_name(name) for name in deploying.parameters()]
    assert len(set(names)) == len(names)
    assert {"ELASTICSEARCH_URL", "ALARM_EMAIL", "EXISTING_LOG_BUCKETS_LIKE", "VPC_ID"} <= set(names)
    assert not set(names) & {"STACK", "PACKAGE", "RULES", "YES"}, "the command's own"


def test_a_new_stack_is_created_with_what_is_given_only() -> None:
    service = CloudFormation("", "", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    assert change(service, ElasticsearchUrl="https://example.com") == "created"
    assert service.asked["ChangeSetType"] == "CREATE"
    assert service.asked["Parameters"] == [
        {"ParameterKey": "ElasticsearchUrl", "ParameterValue": "https://example.com"}
    ]


def test_what_is_not_given_keeps_its_value() -> None:
    service = CloudFormation("CREATE_COMPLETE", "CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    assert change(service, AlarmEmail="duty@example.com") == "updated"
    assert {"ParameterKey": "Namespace", "UsePreviousValue": True} in service.asked["Parameters"]
    assert {"ParameterKey": "AlarmEmail", "ParameterValue": "duty@example.com"} in service.asked["Parameters"]


@pytest.mark.parametrize(
    "why", ["The submitted information didn't contain changes.", "No updates are to be performed."]
)
def test_no_change_is_a_success_and_leaves_nothing_behind(why: str) -> None:
    service = CloudFormation("UPDATE_COMPLETE", change=why)
    assert change(service) == "unchanged"
    assert service.deleted == ["change"]


def test_the_first_failure_is_told_in_one_line_not_what_was_cancelled_for_its_sake_nor_an_older_one() -> None:
    old = [event("Older", "CREATE_FAILED", "long ago")]
    new = [
        event("LogQueue", "CREATE_FAILED", FAILED),
        event("HrBucket", "CREATE_FAILED", "the limit of\nbuckets is reached"),
        event("Ledger", "CREATE_IN_PROGRESS"),
    ]
    service = CloudFormation("CREATE_COMPLETE", "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", events=[old, new + old])
    with pytest.raises(UserError) as caught:
        change(service)
    assert str(caught.value) == (
        "the stack example is UPDATE_ROLLBACK_COMPLETE: HrBucket (AWS::S3::Bucket): the limit of buckets is reached"
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("UPDATE_IN_PROGRESS", "is being changed (UPDATE_IN_PROGRESS); try again when that has ended"),
        ("ROLLBACK_COMPLETE", "cannot be updated (ROLLBACK_COMPLETE); `make undeploy STACK=example` first"),
    ],
)
def test_a_stack_that_cannot_be_changed_now(state: str, said: str) -> None:
    with pytest.raises(UserError, match=r"the stack example") as caught:
        change(CloudFormation(state))
    assert said in str(caught.value)


def test_a_change_that_is_refused() -> None:
    with pytest.raises(UserError, match="refuses the change: Parameters: \\[X\\] must have values"):
        change(CloudFormation("", change="Parameters: [X] must have values"))


def test_steps_name_what_is_empty_only() -> None:
    outputs = {"HrBucketName": "hr", "LogBucketName": "logs", "ASecret": "arn:a", "BSecret": "arn:b"}
    said = "\n".join(deploying.next_steps(outputs, ["BSecret"], ""))
    assert "arn:b" in said
    assert "arn:a" not in said
    assert "confirm" not in said
    assert "duty@example.com" in "\n".join(deploying.next_steps(outputs, [], "duty@example.com"))
