"""ECS category and type of an API call, as Elastic's AWS integration gives them; other calls are `info` of no category.

https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category
"""

from typing import NamedTuple


class Category(NamedTuple):
    category: list[str]
    type: list[str]


CALLS = {
    "authentication / info": "AssumeRole ConsoleLogin",
    "file / creation": "CreateBucket",
    "file / deletion": "DeleteBucket",
    "iam / admin creation": "CreateKeyPair",
    "iam / admin change": "SetDefaultPolicyVersion SetSecurityTokenServicePreferences UpdateAccountPasswordPolicy"
    " UpdateRole",
    "iam / group creation": "CreateGroup",
    "iam / group deletion": "DeleteGroup",
    "iam / group change": "AddUserToGroup AttachGroupPolicy DeleteGroupPolicy DetachGroupPolicy PutGroupPolicy"
    " RemoveUserFromGroup UpdateGroup",
    "iam / group info": "GetGroup GetGroupPolicy ListAttachedGroupPolicies ListGroupPolicies ListGroups",
    "iam / user creation": "CreateUser",
    "iam / user deletion": "DeleteUser",
    "iam / user change": "AttachUserPolicy ChangePassword CreateAccessKey CreateVirtualMFADevice DeactivateMFADevice"
    " DeleteAccessKey DeleteSSHPublicKey DeleteUserPermissionsBoundary DeleteUserPolicy DeleteVirtualMFADevice"
    " DetachUserPolicy EnableMFADevice PutUserPermissionsBoundary PutUserPolicy TagUser UntagUser UpdateAccessKey"
    " UpdateLoginProfile UpdateSSHPublicKey UpdateUser",
    "iam / user info": "GetUser GetUserPolicy ListAttachedUserPolicies ListGroupsForUser ListUserPolicies ListUsers"
    " ListUserTags",
}


def _table() -> dict[str, Category]:
    table: dict[str, Category] = {}
    for kind, names in CALLS.items():
        category, _, types = kind.partition(" / ")
        for name in names.split():
            table[name] = Category([category], types.split())
    return table


CATEGORIES = _table()
