# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every name of the server's API: paths, query parameters, keys of JSON, headers and constants.

``tests/simulator/openapi.yaml`` marks for each of them whether it is documented, seen in clients or assumed.
"""

from __future__ import annotations

import typing as t

# Paths
BACKUPS: t.Final = "/backups"
CLOUD_DOWNLOADS: t.Final = "/cloud-download"
CLOUD_GROUPS: t.Final = "/cloud-groups"
CLOUD_PROTECTED_ENTITIES: t.Final = "/cloud-protected-entities"
CLOUD_SITES: t.Final = "/cloud-sites"
CLOUD_USERS: t.Final = "/cloud-users"
NODES: t.Final = "/nodes"
SESSION: t.Final = "/session"
SESSION_LOGIN: t.Final = "/session/login"
SESSION_LOGIN_WITH_TOKEN: t.Final = "/session/login-with-token"  # noqa: S105
SESSION_LOGOUT: t.Final = "/session/logout"
SESSION_USER: t.Final = "/session/user"
TASKS: t.Final = "/tasks"

# The addresses that may send the content of a download, by the option source; {} is the GUID.
CONTENT_PATHS: t.Final = {
    "download": f"{CLOUD_DOWNLOADS}/{{}}",
    "content_download": f"{CLOUD_DOWNLOADS}/{{}}/content-download",
}

# Headers
TOTAL_COUNT: t.Final = "X-Total-Count"

# Query parameters
FILTER_PROTECTED_ENTITY: t.Final = "protected-entity"
FILTER_PROTECTED_ENTITY_TYPE: t.Final = "protected-entity-type"
FILTER_NAME: t.Final = "nameLike"
FILTER_STATES: t.Final = "states"  # of tasks
FILTER_STATUS: t.Final = "status"  # of backups
FILTER_TEAMS: t.Final = "teams-group"
PAGE: t.Final = "page"
SIZE: t.Final = "size"

# Module option -> query parameter, all 13 of the vendor's page. The spelling there is mixed.
DOWNLOAD_FILTERS: t.Final = {
    "backup": "backup",
    "direction": "direction",
    "filter": "filter",
    "finished_mount": "finished-mount",
    "mode": "mode",
    "name_like": FILTER_NAME,
    "node": "node",
    "order_by": "orderBy",
    "page": PAGE,
    "project_uuid": "project-uuid",
    "protected_entity": FILTER_PROTECTED_ENTITY,
    "protected_entity_type": FILTER_PROTECTED_ENTITY_TYPE,
    "size": SIZE,
}
# The same for the users, sites and groups; those that all three pages print.
ENTITY_FILTERS: t.Final = {
    "backup_status": "backupStatus",
    "cloud_service_provider": "cloud-service-provider",
    "direction": "direction",
    "filter": "filter",
    "name_like": FILTER_NAME,
    "order_by": "orderBy",
    "policy": "policy",
}

# Keys
BACKUP: t.Final = "backup"
BACKUP_TIME: t.Final = "backupTime"
BACKUP_UP_TO_DATE: t.Final = "backupUpToDate"
CLOUD_SERVICE_PROVIDER: t.Final = "cloudServiceProvider"
CREATION_TIME: t.Final = "creationTime"
EMAIL: t.Final = "email"
ERROR: t.Final = "error"
FINISH_TIME: t.Final = "finishTime"
GUID: t.Final = "guid"
LAST_BACKUP: t.Final = "lastBackup"
LOGIN: t.Final = "login"
MESSAGE: t.Final = "message"
MODE: t.Final = "mode"
MOUNTED_BACKUP: t.Final = "mountedBackup"  # a candidate that no document shows
MOUNTED_FILE_COUNT: t.Final = "mountedFileCount"
MOUNTED_FILE_SYSTEM_COUNT: t.Final = "mountedFileSystemCount"
NAME: t.Final = "name"
NODE: t.Final = "node"
PASSWORD: t.Final = "password"  # noqa: S105
POLICY: t.Final = "policy"
PRESENT: t.Final = "present"
PROGRESS: t.Final = "progress"
PROTECTED_ENTITY: t.Final = "protectedEntity"
REQUESTER: t.Final = "requester"
RESTORABLE: t.Final = "restorable"
RECORD_SIZE: t.Final = "size"
SNAPSHOT_TIME: t.Final = "snapshotTime"
STATE: t.Final = "state"
STATUS: t.Final = "status"
STATUS_INFO: t.Final = "statusInfo"
TOKEN: t.Final = "token"  # noqa: S105
TYPE: t.Final = "type"

# The vendor's closed lists (API page, GET /cloud-download).
MODES: t.Final = (
    "AUTO",
    "CLOUD_DOWNLOAD",
    "CLOUD_PST_DOWNLOAD",
    "INSTANT_RESTORE",
    "ISCSI",
    "MANUAL",
    "OS_DOWNLOAD",
)
DOWNLOAD_MODES: t.Final = ("CLOUD_DOWNLOAD", "CLOUD_PST_DOWNLOAD")
PROTECTED_ENTITY_TYPES: t.Final = (
    "APP",
    "CLOUD",
    "CLOUD_GROUP",
    "CLOUD_SITE",
    "CLOUD_TEAMS",
    "CLOUD_USER",
    "OS",
    "OS_AGENT",
    "STORAGE",
    "VM",
)
PROTECTION_STATES: t.Final = ("IS_PROTECTED", "NOT_PROTECTED", "NO_SCHEDULE")
# Of the vendor's closed list those that its own client offers to restore from; the first is the default.
BACKUP_STATUSES: t.Final = ("SUCCESS", "PARTIAL_SUCCESS")
# All of that list.
ALL_BACKUP_STATUSES: t.Final = ("FAILED", "INPROGRESS", "PARTIAL_SUCCESS", "QUEUED", "SUCCESS", "SUCCESS_REMOVED")

# Names that server_info may repeat from an answer. All others are counted, because they may be those of people.
# No document lists the states of a download: these are the words that would mean that it is ready.
READY_STATES: t.Final = ("AVAILABLE", "COMPLETED", "DONE", "FINISHED", "MOUNTED", "PREPARED", "READY", "SUCCESS")
# Of the application servers that the vendor's role installs, and of Java servers in general.
COOKIES: t.Final = ("JSESSIONID", "JSESSIONIDSSO", "SESSION", "quarkus-credential", "quarkus-session")
HEADERS: t.Final = (
    "Accept-Ranges Age Allow Cache-Control Connection Content-Digest Content-Disposition Content-Encoding"
    " Content-Language Content-Length Content-MD5 Content-Range Content-Security-Policy Content-Type Date Digest ETag"
    " Expires Keep-Alive Last-Modified Link Location Pragma Referrer-Policy Repr-Digest Retry-After Server Set-Cookie"
    f" Strict-Transport-Security Trailer Transfer-Encoding Vary Via WWW-Authenticate X-Content-Type-Options"
    f" X-Frame-Options X-Powered-By X-XSS-Protection {TOTAL_COUNT}"
).split()
# Of records in the vendor's documents and clients.
_BACKUP_KEYS: t.Final = (
    "archiveExpire backupLocations backupRule backupTime description effectiveBackupObjectsCount"
    " effectiveBackupSize guid hidden originEntity parentBackup protectedEntity size snapshotTime"
    " sourceNameAndGuid sourceProject status statusInfo taskDurationTime taskTimeStats type vmExportImportMode"
    " warnings warningsPresent"
)
_DOWNLOAD_KEYS: t.Final = "backup mode mountedFileCount mountedFileSystemCount name node state"
_TASK_KEYS: t.Final = (
    "backupDestination backupDestinationCertChainCreationTime backupType cloudServiceProvider creationTime"
    " dstProtectedEntity finishTime hypervisor hypervisorCertChainCreationTime hypervisorManager"
    " hypervisorManagerCertChainCreationTime mountedBackup osAgent parentTask powerOnAfterRestore priority"
    " processedObjectCount progress progressChange protectedEntityDisplayName protectedEntitySnapshot"
    " restoreType retryCount startTime storageProvider storageProviderCertChainCreationTime tapeManager"
    " totalObjectCount windowEnd windowStart workflowExecution"
)
_ENTITY_KEYS: t.Final = (
    "averageProgress backupCount backupUpToDate beingDeleted cloudServiceProviderType credential displayName"
    " email externalSourceId firstName lastBackup lastChainMarkedForDeletion lastName lastSuccessfulBackupSize"
    " lastSuccessfulFullBackup lastSuccessfulFullBackupSize lastSuccessfulIncBackup locked policy"
    " possibleActions present restorable rules sshHost sshKeyPath sshPort userPurpose webUrl"
)
_NODE_KEYS: t.Final = "lastSeen nodeIP stagingSpace version"
RECORD_KEYS: t.Final = frozenset(f"{_BACKUP_KEYS} {_DOWNLOAD_KEYS} {_TASK_KEYS} {_ENTITY_KEYS} {_NODE_KEYS}".split())
# Of errors: those of the vendor's clients, of RFC 9457, and of Quarkus.
ERROR_KEYS: t.Final = frozenset(
    f"code detail details {ERROR} errors instance {MESSAGE} path stack status timestamp title type violations".split()
)
