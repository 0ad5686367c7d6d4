"""What was offered to the roles that come ready; see groundtruth/roles.py."""

from django.contrib.auth.models import Group, Permission
from django.db import models


class RoleGrant(models.Model):
    """The bank granted this permission to this role, once. Whether the role still has it is the team's matter."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="+")
    permission = models.ForeignKey(Permission, models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["group", "permission"], name="rolegrant_once")]

    def __str__(self) -> str:
        return f"{self.group} / {self.permission}"
