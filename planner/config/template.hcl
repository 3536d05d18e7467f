# The configuration of cscs-sync. Fill in the places marked with "<-", write the two tokens into files that only root
# can read (chmod 600), and check it: cscs-sync validate
#
# Durations are 90s, 5m, 12h, 7d, 2w. Numbers may use kib() … pib() and kb() … pb(). Paths in file() are relative to
# this file's folder unless they begin with a slash.

# The Waldur Storage Proxy, which says what should exist.
proxy {
  url     = "https://waldur-storage-proxy.example.com/api/storage-resources/" # <-
  token   = file("proxy.token")                                               # or env("PROXY_TOKEN")
  timeout = "5m"                                                              # a listing of 10,000 takes it a minute

  # Tokens of a Keycloak expire. In place of token, so that fresh ones are fetched:
  # oidc {
  #   token_url     = "https://keycloak.example.com/realms/hpc/protocol/openid-connect/token"
  #   client_id     = "cscs-sync"
  #   client_secret = file("oidc.secret")
  #   scope         = "openid"
  # }
}

# Waldur, which is told what was done. Callbacks go below this URL and nowhere else.
waldur {
  url   = "https://waldur.example.com/api/" # <-
  token = file("waldur.token")
  # aliases      = ["http://waldur-internal:8000/api/"] # how the proxy names the same Waldur, if otherwise
  set_backend_id = true  # on creates: the mount path
  report_quotas  = false # reporting pins them: later changes of limits would have no effect
}

storage {
  root     = "/mnt/lustre" # <- where the systems are mounted on this node
  min_gid  = 1000          # no directory is ever given to a group below
  max_mode = "2775"        # a mode that grants more is dangerous, and waits for a person
  parents  = "create"      # tenant and customer directories that exist stay as they are; "enforce" owns them too
  tera     = "TiB"         # what the proxy's TB means: "TiB" or "TB"
  # archive = "/mnt/lustre/.trash" # default: .trash in each system's directory
}

# One block for each storage system. The label, or one of the slugs, is the first component of its mount paths. A
# resource of a system without a block is left alone.
system "capstor" { # <-
  # slugs    = ["cscs-capstor-offering"]       # other names that the proxy has for it
  directory  = "capstor" # /capstor/… is this folder below storage.root
  filesystem = "lustre"  # what must be mounted there; "any" to try things out
  # paths    = { "/scratch" = "capstor/legacy" } # other mount path prefixes, and their folders
  archive_retention = "90d"
  quota "lustre" {
    by = "group" # or "project": what lies below directories with a project id, which is the group id
    # project_ids = "100000-199999" # then an id for each resource, so that each has a quota of its own
    # lfs         = "/usr/bin/lfs"  # for where the filesystem does not answer the ioctl
    shared    = "refuse" # several resources on one group's quota: refuse, sum or max
    on_remove = "keep"   # or "freeze": no more can be written
  }
}

# XFS or ext4 on this node, mounted with grpquota or prjquota:
# system "scratch" {
#   directory  = "scratch"
#   filesystem = "xfs" # or "ext4"
#   quota "linux" {
#     by          = "project"
#     project_ids = "200000-299999"
#   }
# }

# VAST, whose quotas are set by its management API:
# system "vast" {
#   directory  = "vast"
#   filesystem = "nfs"
#   archive    = "/mnt/lustre/vast/.trash" # below the directory
#   quota "vast" {
#     url         = "https://vms.example.com/api/v5/"
#     token       = file("vast.token")         # or user and password
#     ca_file     = "/etc/cscs-sync/vms.pem"   # where its certificate is signed by nobody else
#     tenant      = "hpc"                      # where there are several
#     path_prefix = "/scratch"                 # what NFS mounts as the system's directory
#     on_remove   = "keep"                     # when a resource ends: keep, freeze or remove its quota
#   }
# }

# A system whose quotas are not set from here:
# system "home" {
#   directory  = "home"
#   filesystem = "nfs"
#   quota "none" {
#     orders = "hold" # an order for quotas waits for a person; or "complete"
#   }
# }

# What is wanted instead of what the proxy says, for some resources:
# override "climate scratch" {
#   match {
#     path = "/capstor/scratch/cscs/climate/**"
#   }
#   quota {
#     space_hard = upstream.quota.space_hard * 1.1
#   }
#   reason  = "CHG-4711: headroom during migration"
#   expires = "2026-12-31"
# }

approval {
  required  = 1 # different people
  valid_for = "7d"
  # allowed_signers = "allowed_signers" # ssh-keygen's format; without it approvals are made on this node
}

# What the loop may do without asking. Everything else is written to files that wait for an approval.
auto_approve {
  allow        = ["create", "quota_raise", "report"]
  max_changes  = 50
  max_archives = 0
  # max_space  = tib(100) # by how much hard limits may grow in a round, all together
  # max_share  = 10       # per cent of all resources; a round that would change more is held
  # min_used   = 80       # per cent of a limit that must be used before a limit may be raised
  # max_raise  = 2        # the greatest factor by which a limit may grow
  # window {              # when it may approve; deny = true: when it may not
  #   days = ["mon", "tue", "wed", "thu", "fri"]
  #   from = "08:00"
  #   to   = "17:00"
  #   zone = "Europe/Zurich"
  # }
}

run {
  interval       = "60s"
  audit_interval = "1h"
  # listen = "127.0.0.1:9811" # metrics, health and the status page
  # notify {                  # who is told of what waits for a person
  #   exec    = ["/usr/local/bin/tell", "storage"]
  #   webhook = "https://chat.example.com/hooks/storage"
  # }
}

state {
  path = "/var/lib/cscs-sync" # on a local disk, never on the managed storage
}
