# A site with three systems: two on Lustre, one on VAST, and overrides for a campaign, an incident and a shared group.

proxy {
  url     = "https://waldur-storage-proxy.example.com/api/storage-resources/"
  timeout = "10m" # the first page after a start of the proxy may take minutes
  oidc {
    token_url     = "https://keycloak.example.com/realms/hpc/protocol/openid-connect/token"
    client_id     = "cscs-sync"
    client_secret = file("/etc/cscs-sync/oidc.secret")
    scope         = "openid"
  }
}

waldur {
  url            = "https://waldur.example.com/api/"
  aliases        = ["http://waldur-internal:8000/api/"] # how the proxy names the same Waldur
  token          = file("/etc/cscs-sync/waldur.token")
  set_backend_id = true
}

storage {
  root    = "/mnt"
  min_gid = 1000
  parents = "create"
  tera    = "TiB"
}

system "capstor" {
  slugs      = ["cscs-capstor-offering"]
  directory  = "capstor"
  paths      = { "/scratch" = "capstor/legacy" }
  filesystem = "lustre"
  archive    = "/mnt/capstor/.trash"
  quota "lustre" {
    by     = "group"
    shared = "sum" # a project's store and scratch share its group, and so its limits
  }
}

system "iopsstor" {
  directory         = "iopsstor"
  filesystem        = "lustre"
  archive_retention = "2w"
  quota "lustre" {
    by          = "project"
    project_ids = "100000-199999" # each resource has an id, and so a quota, of its own
    on_remove   = "freeze"
  }
}

system "vast" {
  directory  = "vast"
  filesystem = "nfs"
  quota "vast" {
    url         = "https://vms.example.com/api/v5/"
    token       = file("/etc/cscs-sync/vast.token")
    tenant      = "hpc"
    path_prefix = "/vadret" # what NFS mounts as /mnt/vast
    on_remove   = "freeze"
  }
}

override "climate campaign" {
  match {
    path      = "/capstor/scratch/cscs/climate/**"
    data_type = "scratch"
  }
  quota {
    space_hard = upstream.quota.space_hard * 1.1
    space_soft = coalesce(upstream.quota.space_soft, tib(18))
  }
  reason  = "CHG-4711: headroom during migration"
  expires = "2026-12-31"
}

override "under investigation" {
  match {
    path = ["/capstor/store/cscs/eth/bio", "/capstor/store/cscs/eth/bio/**"]
  }
  manage  = false
  reason  = "INC-0815: leave everything as it is"
  expires = "2026-12-24T12:00:00Z"
}

override "instrument data" {
  match {
    system = "iopsstor"
    gid    = [30500, 30511]
    target = "project"
  }
  mode = "2750"
  quota {
    inodes_hard = unlimited
    inodes_soft = unlimited
    space_hard  = max(upstream.quota.space_hard, tib(50))
  }
  reason = "CHG-4720: detectors write many small files"
}

approval {
  required        = 2
  allowed_signers = "/etc/cscs-sync/allowed_signers"
  valid_for       = "7d"
}

auto_approve {
  allow        = ["create", "quota_raise", "report", "drift_mode"]
  max_changes  = 50
  max_archives = 0
}

run {
  interval       = "60s"
  audit_interval = "1h"
}

state {
  path = "/var/lib/cscs-sync"
}
