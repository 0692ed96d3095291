"""infra/template.yaml: what AWS would refuse, and the promises that no linter knows."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint

from innerwatch import settings
from innerwatch.errors import UserError
from innerwatch.settings import APPROVER, NAMESPACE, Settings
from innerwatch_cli import packaging
from innerwatch_cli.paths import TEMPLATE
from tests import ministack

LAMBDAS = Path(__file__).parents[2] / "lambdas"
SOURCE = ministack.template()
TRANSLATED = ministack.translated()
FUNCTIONS = [name for name, found in SOURCE["Resources"].items() if found["Type"] == "AWS::Serverless::Function"]
# Of what runs without a queue, and so without anybody who would deliver again.
BY_THE_CLOCK = ("ReplayFailed", "Detect", "MeasureBehaviour", "Reveal")


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
    assert lint(json.dumps(TRANSLATED)) == []
    assert lint(source.replace("VisibilityTimeout", "VisbilityTimeout")) != []


def test_it_stays_far_below_the_ceilings() -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    expanded = json.dumps(TRANSLATED)
    assert len(TEMPLATE.read_bytes()) < 1_000_000 / 4
    assert len(expanded) < 1_000_000 / 4
    assert len(TRANSLATED["Resources"]) < 500 / 2
    assert len(SOURCE["Parameters"]) < 200 / 2
    assert len(SOURCE["Outputs"]) < 200 / 2


def test_a_role_holds_however_many_sources() -> None:
    """20 buckets and 20 keys with the longest names there are, in the 10,240 characters of a role's policies."""
    bucket, key = f"arn:aws-us-gov:s3:::{'b' * 63}", f"arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/{'k' * 36}"
    for name in ("EnrichLogsRole", "ReplayFailedRole"):
        policy = json.dumps(statements(name), separators=(",", ":"))
        assert len(policy) + 20 * (len(f'"{bucket}/*",') + len(f'"{key}",')) < 10_240
    (rule,) = (
        found for found in of_type("Events::Rule").values() if found["Description"] == "New objects in the log buckets"
    )
    pattern = json.dumps(rule["EventPattern"], separators=(",", ":"))
    assert (
        len(pattern) + 20 * len(f'"{bucket}",') < 2048
    )  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html


def test_every_handler_is_a_function_of_the_template_and_the_other_way_round() -> None:
    handlers = {properties["Handler"] for properties in of_type("Serverless::Function").values()}
    assert handlers == {f"{path.stem}.handler" for path in LAMBDAS.glob("*.py")}


def test_the_package_is_built_for_the_runtime_that_the_template_names() -> None:
    assert SOURCE["Globals"]["Function"]["Runtime"] == f"python{packaging.LAMBDA.python}"
    assert SOURCE["Parameters"]["Architecture"]["Default"] == "arm64"
    assert packaging.LAMBDA.platform.startswith("aarch64-")


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in BY_THE_CLOCK])
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


@pytest.mark.parametrize("name", BY_THE_CLOCK)
def test_what_the_clock_starts_is_not_tried_again_and_again(name: str) -> None:
    assert of_type("Serverless::Function")[name]["EventInvokeConfig"]["MaximumRetryAttempts"] == 0


def test_no_batch_of_a_stream_is_lost() -> None:
    stream = of_type("Lambda::EventSourceMapping")["KinesisSource"]
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["MaximumRetryAttempts"] > 0
    logs = of_type("Serverless::Function")["EnrichLogs"]["EventInvokeConfig"]["DestinationConfig"]["Fn::If"][1]
    for given_up in (stream["DestinationConfig"], logs):
        assert target(given_up["OnFailure"]["Destination"]) == "FailedBucket"


@pytest.mark.parametrize("name", ["SyncHr", "MeasureBehaviour"])
def test_it_runs_one_at_a_time(name: str) -> None:
    assert of_type("Serverless::Function")[name]["ReservedConcurrentExecutions"] == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_variable_is_one_that_the_settings_read(name: str) -> None:
    given = {**SOURCE["Globals"]["Function"]["Environment"]["Variables"]}
    given |= of_type("Serverless::Function")[name]["Environment"]["Variables"]
    read = set(re.findall(r'"([A-Z][A-Z_]+)"', inspect.getsource(settings)))
    assert set(given) <= read


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_role_names_just_its_actions_and_resources(name: str) -> None:
    role = of_type("IAM::Role")[f"{name}Role"]
    assert role["ManagedPolicyArns"] == {"Fn::If": ["InVpc", [{"Ref": "NetworkAccess"}], {"Ref": "AWS::NoValue"}]}
    sids = [statement["Sid"] for statement in statements(f"{name}Role")]
    assert len(set(sids)) == len(sids)
    for statement in statements(f"{name}Role"):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions), statement["Sid"]
        assert statement["Resource"] != "*"
        assert not isinstance(statement["Resource"], list)


def test_in_a_vpc_lambda_makes_interfaces_and_the_functions_code_none() -> None:
    allow, deny = of_type("IAM::ManagedPolicy")["NetworkAccess"]["PolicyDocument"]["Statement"]
    assert (allow["Effect"], deny["Effect"], deny["Action"]) == ("Allow", "Deny", "ec2:*")
    assert "lambda:SourceFunctionArn" in deny["Condition"]["ArnLike"]
    services = {str(one["ServiceName"]).rpartition(".")[2][:-2] for one in of_type("EC2::VPCEndpoint").values()}
    assert services == {"s3", "dynamodb", "secretsmanager", "sqs", "kms", "logs", "monitoring", "sts"}


def test_the_log_writer_cannot_change_the_directory_nor_read_feeds() -> None:
    for sid in ("Directory", "Cases"):
        (found,) = (found for found in statements("EnrichLogsRole") if found["Sid"] == sid)
        assert found["Action"] == ["dynamodb:GetItem", "dynamodb:Query"]
    for role in ("EnrichLogsRole", "ReplayFailedRole", "MeasureBehaviourRole"):
        assert "HrBucket" not in json.dumps(statements(role))
        (key,) = (found for found in statements(role) if found["Sid"] == "HrKey")
        assert json.dumps(key["Condition"]).count("dynamodb.") == 1


def test_nobody_deletes_from_a_table_and_detection_reads_only_who_leaves() -> None:
    for role in of_type("IAM::Role"):
        assert not re.search("dynamodb:(Delete|\\*)", json.dumps(statements(role)))
    (found,) = (found for found in statements("DetectRole") if "dynamodb:" in json.dumps(found["Action"]))
    assert found["Action"] == ["dynamodb:GetItem", "dynamodb:Query"]
    keys = {"Fn::If": ["WithPseudonyms", ["leaving", "identities", "feeds"], ["leaving"]]}
    assert found["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": keys}}


def test_no_secret_is_in_an_environment_variable() -> None:
    variables: dict[str, Any] = dict(SOURCE["Globals"]["Function"]["Environment"]["Variables"])
    for function in of_type("Serverless::Function").values():
        variables |= function.get("Environment", {}).get("Variables", {})
    secrets = of_type("SecretsManager::Secret")
    assert {name for name in variables if "SECRET" in name or "KEY" in name} == {
        "ELASTICSEARCH_SECRET",
        "ELASTICSEARCH_CHECK_SECRET",
        "PSEUDONYM_SECRET",
    }
    assert target(variables["ELASTICSEARCH_SECRET"]) in secrets
    assert target(variables["ELASTICSEARCH_CHECK_SECRET"]) == "ElasticsearchCheckKey"
    assert "PseudonymKey" in json.dumps(variables["PSEUDONYM_SECRET"])
    assert not [name for name, secret in secrets.items() if "SecretString" in secret]
    made = [name for name, secret in secrets.items() if "GenerateSecretString" in secret]
    assert made == ["PseudonymKey"]  # by Secrets Manager itself, which shows it to nobody who may not read it
    assert "KmsKeyId" in secrets["PseudonymKey"]


def test_only_those_who_hide_or_reveal_people_read_the_key_of_pseudonyms() -> None:
    readers = {role for role in of_type("IAM::Role") if '"PseudonymKey"' in json.dumps(statements(role))}
    assert readers == {"EnrichLogsRole", "ReplayFailedRole", "MeasureBehaviourRole", "DetectRole", "RevealRole"}
    assert SOURCE["Parameters"]["Pseudonyms"]["Default"] == "on"


def test_what_holds_data_outlives_the_stack_and_is_closed_and_encrypted() -> None:
    for name, found in SOURCE["Resources"].items():
        if found["Type"] in ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key"):
            # What is protected against deletion cannot be deleted by a stack that fails either.
            deletion = "Retain" if "DeletionProtectionEnabled" in found["Properties"] else "RetainExceptOnCreate"
            assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == (deletion, "Retain"), name
    for name, bucket in of_type("S3::Bucket").items():
        assert all(bucket["PublicAccessBlockConfiguration"].values()), name
        assert bucket["BucketEncryption"], name
    tables = of_type("DynamoDB::Table")
    for table in tables.values():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"]["SSEEnabled"] is True
    assert {name for name, table in tables.items() if "KMSMasterKeyId" in table["SSESpecification"]} == {
        "Directory",
        "Cases",
        "RevealAudit",
    }
    assert all(queue["SqsManagedSseEnabled"] for queue in of_type("SQS::Queue").values())


def test_every_alarm_tells_the_topic_and_has_a_paragraph_in_the_runbook_and_the_other_way_round() -> None:
    page = (ministack.ROOT / "docs" / "runbook.md").read_text()
    alarms = of_type("CloudWatch::Alarm")
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
    paragraphs = dict(re.findall(r"^### (\w+)\n\n(.+)", page, re.MULTILINE))
    assert set(paragraphs) == set(alarms)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_rings_when_it_fails(name: str) -> None:
    watched = {
        alarm["MetricName"]
        for alarm in of_type("CloudWatch::Alarm").values()
        for dimension in alarm["Dimensions"]
        if dimension["Name"] == "FunctionName" and dimension["Value"] == {"Ref": name}
    }
    assert "Errors" in watched
    if name in ("Detect", "MeasureBehaviour"):
        assert "Invocations" in watched, "and when it is not run at all"


def test_every_metric_of_ours_is_one_that_the_functions_write() -> None:
    page = (ministack.ROOT / "docs" / "observability.md").read_text()
    dashboard = of_type("CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    shown = re.findall(r'\["Innerwatch/[^"]+", "(\w+)", "service", "(\w+)"\]', dashboard)
    rung = [
        (alarm["MetricName"], alarm["Dimensions"][0]["Value"])
        for alarm in of_type("CloudWatch::Alarm").values()
        if alarm["Dimensions"][0]["Name"] == "service"
    ]
    assert len(shown) > 10
    assert json.loads(dashboard)["widgets"]
    for metric, service in {*shown, *rung}:
        section = page.partition(f"### {service}\n")[2].partition("\n### ")[0]
        assert f"`{metric}`" in section, (metric, service)


def test_every_parameter_is_described_and_checked_and_stands_in_the_documentation() -> None:
    page = (ministack.ROOT / "docs" / "deploy.md").read_text()
    for name, parameter in SOURCE["Parameters"].items():
        assert parameter["Description"]
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), name
        assert f"`{name}`" in page


def test_the_namespace_is_checked_as_the_functions_check_it() -> None:
    pattern = NAMESPACE.pattern.replace('\\"', '"')
    assert SOURCE["Parameters"]["Namespace"]["AllowedPattern"] == f"^{pattern}$"


def test_who_may_approve_is_checked_as_the_function_checks_it() -> None:
    given = SOURCE["Parameters"]["RevealApprovers"]["AllowedPattern"]
    assert given == f"^({APPROVER.pattern.replace(chr(92) + 'w', 'A-Za-z0-9_')})?$"
    hours = SOURCE["Parameters"]["RevealHours"]
    for number in (hours["MinValue"], hours["Default"], hours["MaxValue"]):
        assert Settings.from_env({"REVEAL_HOURS": str(number)}).reveal_hours == number
    for number in (hours["MinValue"] - 1, hours["MaxValue"] + 1):
        with pytest.raises(UserError, match="REVEAL_HOURS"):
            Settings.from_env({"REVEAL_HOURS": str(number)})


def test_the_audit_chain_is_only_ever_added_to_and_only_by_its_function() -> None:
    table = of_type("DynamoDB::Table")["RevealAudit"]
    assert table["DeletionProtectionEnabled"] is True
    nobody, others = table["ResourcePolicy"]["PolicyDocument"]["Statement"]
    assert (nobody["Effect"], nobody["Principal"], others["Effect"], others["Principal"]) == ("Deny", "*", "Deny", "*")
    assert "Condition" not in nobody
    writes = {"UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"}
    assert set(nobody["Action"]) == {f"dynamodb:{name}" for name in writes}
    path = of_type("IAM::Role")["RevealRole"]["Path"]["Fn::Sub"]
    assert others["Action"] == "dynamodb:PutItem"
    (allowed,) = others["Condition"]["ArnNotLike"].values()
    assert allowed["Fn::Sub"].endswith(f":role{path}*"), "the one role with this path"
    assert [name for name, role in of_type("IAM::Role").items() if "Path" in role] == ["RevealRole"]
    (chain,) = (found for found in statements("RevealRole") if found["Sid"] == "Chain")
    assert chain["Action"] == ["dynamodb:PutItem", "dynamodb:Query"]
    others_roles = [role for role in of_type("IAM::Role") if role != "RevealRole"]
    assert not any("RevealAudit" in json.dumps(statements(role)) for role in others_roles)


def test_nobody_can_delete_a_witness() -> None:
    bucket = of_type("S3::Bucket")["RevealWitnesses"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["ObjectLockEnabled"] is True
    retention = bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert retention == {"Mode": "COMPLIANCE", "Days": {"Ref": "RevealWitnessDays"}}
    policy = of_type("S3::BucketPolicy")["RevealWitnessesPolicy"]["PolicyDocument"]["Statement"]
    (adds,) = (found for found in policy if found["Sid"] == "OnlyTheFunctionAdds")
    assert (adds["Effect"], adds["Principal"], adds["Action"]) == ("Deny", "*", "s3:PutObject")


def test_who_asks_may_invoke_one_function_and_who_audits_reads_one_table() -> None:
    asks = of_type("IAM::ManagedPolicy")["RevealAccess"]["PolicyDocument"]["Statement"]
    assert [found["Action"] for found in asks] == ["lambda:InvokeFunction", "cloudformation:DescribeStacks"]
    assert target(asks[0]["Resource"]) == "Reveal"
    audits = of_type("IAM::ManagedPolicy")["RevealAuditAccess"]["PolicyDocument"]["Statement"]
    assert [found["Action"] for found in audits] == [
        "dynamodb:Query",
        "kms:Decrypt",
        "s3:ListBucketVersions",
        "cloudformation:DescribeStacks",
    ]
    assert target(audits[0]["Resource"]) == "RevealAudit"
    assert "dynamodb." in json.dumps(audits[1]["Condition"])
    assert not of_type("Lambda::Url"), "an address that anybody can reach, whose event says who calls"
    assert "FunctionUrlConfig" not in json.dumps(SOURCE)
