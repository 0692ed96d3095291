"""infra/template.yaml: what AWS would refuse, and the promises that no linter knows."""

import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint

from innerwatch.settings import NAMESPACE
from innerwatch_cli import packaging
from tests import ministack

LAMBDAS = Path(__file__).parents[2] / "lambdas"
SOURCE = ministack.template()
FUNCTIONS = [name for name, found in SOURCE["Resources"].items() if found["Type"] == "AWS::Serverless::Function"]


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Logical id → properties."""
    return {name: found["Properties"] for name, found in SOURCE["Resources"].items() if found["Type"] == f"AWS::{kind}"}


def target(get_att: dict[str, str | list[str]]) -> str:
    """The logical id that a `!GetAtt` names."""
    found = get_att["Fn::GetAtt"]
    return found.split(".")[0] if isinstance(found, str) else found[0]


def statements(role: str) -> list[dict[str, Any]]:
    return [
        statement["Fn::If"][1] if "Fn::If" in statement else statement
        for policy in of_type("IAM::Role")[role]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_cfn_lint_finds_nothing_in_the_source_nor_in_what_sam_makes_of_it() -> None:
    source = (ministack.ROOT / "infra" / "template.yaml").read_text()
    assert lint(source) == []
    assert lint(json.dumps(ministack.translated())) == []
    assert lint(source.replace("VisibilityTimeout", "VisbilityTimeout")) != []


def test_every_handler_is_a_function_of_the_template_and_the_other_way_round() -> None:
    handlers = {properties["Handler"] for properties in of_type("Serverless::Function").values()}
    assert handlers == {f"{path.stem}.handler" for path in LAMBDAS.glob("*.py")}


def test_the_package_is_built_for_the_runtime_that_the_template_names() -> None:
    assert SOURCE["Globals"]["Function"]["Runtime"] == f"python{packaging.LAMBDA.python}"
    assert SOURCE["Parameters"]["Architecture"]["Default"] == "arm64"
    assert packaging.LAMBDA.platform.startswith("aarch64-")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_message_is_tried_again_long_enough_and_then_kept(name: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    function = of_type("Serverless::Function")[name]
    (event,) = function["Events"].values()
    queues = of_type("SQS::Queue")
    queue = queues[target(event["Properties"]["Queue"])]
    dead_letters = queues[target(queue["RedrivePolicy"]["deadLetterTargetArn"])]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert dead_letters["MessageRetentionPeriod"] == 14 * 86400 > queue["MessageRetentionPeriod"]
    assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert event["Properties"]["ScalingConfig"]["MaximumConcurrency"]


def test_feeds_are_applied_one_at_a_time() -> None:
    assert of_type("Serverless::Function")["SyncHr"]["ReservedConcurrentExecutions"] == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_role_names_just_its_actions_and_resources(name: str) -> None:
    role = of_type("IAM::Role")[f"{name}Role"]
    assert "ManagedPolicyArns" not in role
    for statement in statements(f"{name}Role"):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions), statement["Sid"]
        assert statement["Resource"] != "*"
        assert not isinstance(statement["Resource"], list)


def test_the_log_writer_cannot_change_the_directory_nor_read_feeds() -> None:
    actions = {action for statement in statements("EnrichLogsRole") for action in statement["Action"]}
    assert {action for action in actions if action.startswith("dynamodb:")} == {"dynamodb:GetItem", "dynamodb:Query"}
    assert "Hr" not in json.dumps([found for found in statements("EnrichLogsRole") if found["Sid"] == "Logs"])
    (key,) = (found for found in statements("EnrichLogsRole") if found["Sid"] == "DirectoryKey")
    assert json.dumps(key["Condition"]).count("dynamodb.") == 1


def test_no_secret_is_in_an_environment_variable() -> None:
    variables: dict[str, Any] = dict(SOURCE["Globals"]["Function"]["Environment"]["Variables"])
    for function in of_type("Serverless::Function").values():
        variables |= function.get("Environment", {}).get("Variables", {})
    assert {name for name in variables if "SECRET" in name or "KEY" in name} == {"ELASTICSEARCH_SECRET"}
    assert target(variables["ELASTICSEARCH_SECRET"]) == "ElasticsearchApiKey"
    assert "SecretString" not in of_type("SecretsManager::Secret")["ElasticsearchApiKey"]


def test_what_holds_data_outlives_the_stack_and_is_closed_and_encrypted() -> None:
    for name, found in SOURCE["Resources"].items():
        if found["Type"] in ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key"):
            assert found["DeletionPolicy"] == found["UpdateReplacePolicy"] == "Retain", name
    for name, bucket in of_type("S3::Bucket").items():
        assert all(bucket["PublicAccessBlockConfiguration"].values()), name
        assert bucket["BucketEncryption"], name
    (table,) = of_type("DynamoDB::Table").values()
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert target(table["SSESpecification"]["KMSMasterKeyId"]) == "HrKey"
    assert all(queue["SqsManagedSseEnabled"] for queue in of_type("SQS::Queue").values())


def test_every_alarm_tells_the_topic_and_stands_in_the_documentation() -> None:
    page = (ministack.ROOT / "docs" / "deploy.md").read_text()
    for name, alarm in of_type("CloudWatch::Alarm").items():
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
        assert f"`{name}`" in page


def test_every_parameter_is_described_and_checked_and_stands_in_the_documentation() -> None:
    page = (ministack.ROOT / "docs" / "deploy.md").read_text()
    for name, parameter in SOURCE["Parameters"].items():
        assert parameter["Description"]
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), name
        assert f"`{name}`" in page


def test_the_namespace_is_checked_as_the_functions_check_it() -> None:
    pattern = NAMESPACE.pattern.replace('\\"', '"')
    assert SOURCE["Parameters"]["Namespace"]["AllowedPattern"] == f"^{pattern}$"
