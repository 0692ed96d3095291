"""How each role works in AWS: how often, by what means, and which calls and objects in what proportion."""

from typing import NamedTuple

from innerwatch_cli.simulate.estate import ARTIFACTS, BILLING, LAKE, LOGS, PROFILES, RESULTS, STAGING, STATE


class Profile(NamedTuple):
    """How a role works in AWS."""

    permission_set: str
    sessions: float  # a day
    calls: tuple[int, int]  # in a session
    console: float  # share of sessions; the others are at the command line
    mix: dict[str, float]  # API calls, and objects as `read:` or `write:` and a key of OBJECTS
    operates: float = 0.0  # sessions of OPERATE a day
    refused: float = 0.016  # share of calls


DEVELOPER: dict[str, float] = {
    "secretsmanager:GetSecretValue": 0.4,
    "logs:DescribeLogGroups": 6,
    "logs:StartQuery": 12,
    "logs:DescribeLogStreams": 5,
    "ecs:DescribeServices": 8,
    "ecs:DescribeTasks": 6,
    "lambda:ListFunctions20150331": 3,
    "lambda:GetFunction20150331v2": 5,
    "lambda:UpdateFunctionCode20150331v2": 1,
    "ecr:GetAuthorizationToken": 5,
    "ecr:BatchGetImage": 5,
    "ecr:DescribeImages": 3,
    "cloudformation:DescribeStacks": 5,
    "cloudformation:DescribeStackEvents": 3,
    "monitoring:DescribeAlarms": 4,
    "monitoring:GetDashboard": 4,
    "ssm:GetParameter": 5,
    "secretsmanager:DescribeSecret": 1,
    "sts:GetCallerIdentity": 4,
    "s3:ListBuckets": 2,
    "read:artifacts": 6,
    "write:artifacts": 2,
}
OPERATOR: dict[str, float] = {
    "rds:CreateDBSnapshot": 0.5,
    "s3:PutBucketPolicy": 0.3,
    "monitoring:DeleteAlarms": 0.3,
    "monitoring:DisableAlarmActions": 0.2,
    "monitoring:EnableAlarmActions": 0.2,
    "secretsmanager:GetSecretValue": 0.5,
    "iam:PutRolePolicy": 0.3,
    "ec2:DescribeInstances": 10,
    "ec2:DescribeSecurityGroups": 4,
    "ec2:DescribeVolumes": 3,
    "ec2:DescribeSnapshots": 2,
    "ec2:CreateSnapshot": 1,
    "ec2:CreateTags": 2,
    "rds:DescribeDBInstances": 4,
    "rds:DescribeDBSnapshots": 1,
    "ecs:DescribeServices": 10,
    "ecs:UpdateService": 2,
    "ecs:ListTasks": 5,
    "logs:StartQuery": 8,
    "logs:DescribeLogGroups": 4,
    "monitoring:DescribeAlarms": 10,
    "monitoring:GetDashboard": 6,
    "monitoring:PutMetricAlarm": 1,
    "cloudformation:DescribeStacks": 5,
    "ssm:DescribeInstanceInformation": 3,
    "ssm:StartSession": 1,
    "iam:GetRole": 3,
    "iam:ListRoles": 2,
    "iam:ListAttachedRolePolicies": 2,
    "kms:DescribeKey": 1,
    "s3:ListBuckets": 3,
    "s3:GetBucketPolicy": 1,
    "secretsmanager:ListSecrets": 1,
    "secretsmanager:DescribeSecret": 1,
    "sts:GetCallerIdentity": 4,
    "read:state": 5,
}
ANALYST: dict[str, float] = {
    "athena:StartQueryExecution": 14,
    "athena:GetQueryExecution": 12,
    "athena:GetQueryResults": 12,
    "athena:ListQueryExecutions": 2,
    "glue:GetDatabases": 3,
    "glue:GetTables": 4,
    "glue:GetTable": 5,
    "read:results": 9,
    "read:lake": 4,
    "s3:ListBuckets": 1,
}
SECURITY: dict[str, float] = {
    "cloudtrail:DescribeTrails": 4,
    "cloudtrail:GetTrailStatus": 5,
    "cloudtrail:GetEventSelectors": 3,
    "cloudtrail:LookupEvents": 8,
    "guardduty:ListFindings": 8,
    "guardduty:GetFindings": 7,
    "access-analyzer:ListFindingsV2": 4,
    "iam:ListUsers": 3,
    "iam:ListAccessKeys": 3,
    "iam:ListRoles": 3,
    "iam:GetRole": 4,
    "iam:GenerateCredentialReport": 1,
    "iam:GetCredentialReport": 2,
    "iam:GetAccountAuthorizationDetails": 1,
    "s3:GetBucketPolicy": 3,
    "ec2:DescribeSecurityGroups": 4,
    "athena:StartQueryExecution": 4,
    "athena:GetQueryResults": 4,
    "read:logs": 5,
}
PIPELINES: dict[str, float] = {
    **ANALYST,
    "glue:StartJobRun": 3,
    "glue:GetJobRuns": 7,
    "logs:StartQuery": 4,
    "secretsmanager:GetSecretValue": 1,
    "read:lake": 10,
    "write:lake": 5,
}
MODELS: dict[str, float] = {
    **ANALYST,
    "sagemaker:ListTrainingJobs": 4,
    "sagemaker:DescribeTrainingJob": 6,
    "write:results": 2,
}
COSTS: dict[str, float] = {"ce:GetCostAndUsage": 8, "ce:GetCostForecast": 3, "read:billing": 4}
GLANCE: dict[str, float] = {
    "monitoring:DescribeAlarms": 5,
    "monitoring:GetDashboard": 5,
    "ecs:DescribeServices": 3,
    "ce:GetCostAndUsage": 1,
}

PROFILE: dict[str, Profile] = {
    "Software Engineer": Profile("Developer", 1.9, (4, 14), 0.4, DEVELOPER, 0.15),
    "Senior Software Engineer": Profile("Developer", 2.1, (4, 15), 0.35, DEVELOPER, 0.3),
    "QA Engineer": Profile("Developer", 1.2, (3, 9), 0.6, DEVELOPER),
    "Engineering Manager": Profile("ReadOnly", 0.6, (2, 6), 1.0, GLANCE),
    "Platform Engineer": Profile("Administrator", 2.6, (5, 18), 0.35, OPERATOR, 0.4, 0.003),
    "Site Reliability Engineer": Profile("Administrator", 2.6, (5, 18), 0.45, OPERATOR, 0.5, 0.003),
    "Platform Lead": Profile("Administrator", 1.3, (4, 12), 0.6, OPERATOR, 0.2, 0.003),
    "Security Engineer": Profile("SecurityAudit", 2.2, (5, 18), 0.5, SECURITY),
    "Security Analyst": Profile("SecurityAudit", 2.0, (5, 16), 0.8, SECURITY),
    "Security Manager": Profile("SecurityAudit", 0.7, (3, 8), 0.9, SECURITY),
    "Data Analyst": Profile("Analyst", 1.3, (4, 14), 0.75, ANALYST),
    "Data Scientist": Profile("Analyst", 1.4, (4, 14), 0.3, MODELS),
    "Data Engineer": Profile("DataEngineer", 2.0, (5, 16), 0.3, PIPELINES),
    "Data Manager": Profile("Analyst", 0.5, (3, 8), 0.8, ANALYST),
    "Financial Controller": Profile("Billing", 0.4, (2, 7), 1.0, COSTS),
    "Accountant": Profile("Billing", 0.2, (2, 5), 1.0, COSTS),
}
IN_PRODUCTION = Profile("", 0, (0, 0), 0.0, OPERATOR, refused=0.01)


class Object(NamedTuple):
    bucket: str
    key: str  # with the parts that vary: service, table, version, day
    size: tuple[int, int]


OBJECTS: dict[str, Object] = {
    "artifacts": Object(ARTIFACTS, "{service}/1.{number}/app.zip", (200_000, 30_000_000)),
    "lake": Object(LAKE, "curated/{table}/dt={day}/part-{number:04d}.parquet", (20_000, 9_000_000)),
    "results": Object(RESULTS, "athena/{uuid}.csv", (300, 400_000)),
    "billing": Object(BILLING, "cur/{day:%Y-%m}/report-{number:04d}.csv.gz", (50_000, 900_000)),
    "state": Object(STATE, "{service}/terraform.tfstate", (20_000, 300_000)),
    "profiles": Object(PROFILES, "customers/{customer}/profile.json", (900, 9_000)),
    "staging": Object(STAGING, "batch-{number:04d}/{table}.ndjson", (10_000, 700_000)),
    "logs": Object(LOGS, "AWSLogs/123456789012/CloudTrail/eu-west-1/{day:%Y/%m/%d}/{uuid}.json.gz", (2_000, 90_000)),
}
