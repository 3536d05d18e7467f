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

  # Tokens from Keycloak expire. With this block instead of token, cscs-sync fetches new ones:
  # oidc {
  #   token_url     = "https://keycloak.example.com/realms/hpc/protocol/openid-connect/token"
  #   client_id     = "cscs-sync"
  #   client_secret = file("oidc.secret")
  #   scope         = "openid"
  # }
}

# Waldur, to which cscs-sync reports what was done. It sends callbacks only to URLs below this one.
waldur {
  url   = "https://waldur.example.com/api/" # <-
  token = file("waldur.token")
  # aliases      = ["http://waldur-internal:8000/api/"] # other URLs by which the proxy names the same Waldur
  set_backend_id = true  # on creates: the mount path
  report_quotas  = false # a reported quota is pinned: later changes of limits have no effect
}

storage {
  root     = "/mnt/lustre" # <- where the systems are mounted on this node
  min_gid  = 1000          # no directory is ever given to a group with a lower id
  max_mode = "2775"        # a mode that grants more is dangerous, and waits for a person
  parents  = "create"      # existing tenant and customer directories stay as they are; "enforce" sets owner and mode
  tera     = "TiB"         # what the proxy's TB means: "TiB" or "TB"
  # archive = "/mnt/lustre/.trash" # default: .trash in each system's directory
}

# One block for each storage system. The label, or one of the slugs, is the first component of its mount paths. A
# resource of a system without a block is left alone.
system "capstor" { # <-
  # slugs    = ["cscs-capstor-offering"]       # other names of the system at the proxy
  directory  = "capstor" # /capstor/… is this folder below storage.root
  filesystem = "lustre"  # what must be mounted there; "any" to try things out
  # paths    = { "/scratch" = "capstor/legacy" } # other mount path prefixes, and their folders
  archive_retention = "90d"
  quota "lustre" {
    by = "group" # or "project": the content of directories with a project id, which is the group id
    # project_ids = "100000-199999" # with by = "project": each resource gets an id, and so a quota of its own
    # lfs         = "/usr/bin/lfs"  # if the filesystem does not answer the ioctl
    shared    = "refuse" # if several resources use one group's quota: refuse, sum or max
    on_remove = "keep"   # or "freeze": nothing more can be written
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

# VAST, whose quotas are set through its management API:
# system "vast" {
#   directory  = "vast"
#   filesystem = "nfs"
#   archive    = "/mnt/lustre/vast/.trash" # below the directory
#   quota "vast" {
#     url         = "https://vms.example.com/api/v5/"
#     token       = file("vast.token")         # or user and password
#     ca_file     = "/etc/cscs-sync/vms.pem"   # if the node does not trust its certificate
#     tenant      = "hpc"                      # if there are several
#     path_prefix = "/scratch"                 # what NFS mounts as the system's directory
#     on_remove   = "keep"                     # when a resource ends: keep, freeze or remove its quota
#   }
# }

# A system whose quotas cscs-sync does not set:
# system "home" {
#   directory  = "home"
#   filesystem = "nfs"
#   quota "none" {
#     orders = "hold" # an order for quotas waits for a person; or "complete"
#   }
# }

# An override says what is wanted for some resources instead of what the proxy says:
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
  # allowed_signers = "allowed_signers" # ssh-keygen's format; without it, people approve on this node
}

# What the loop may do without asking. It writes everything else to plan files that wait for an approval.
auto_approve {
  allow        = ["create", "quota_raise", "report"]
  max_changes  = 50
  max_archives = 0
  # max_space  = tib(100) # by how much hard limits may grow in a round, all together
  # max_share  = 10       # per cent of all resources; a round that would change more is held
  # min_used   = 80       # per cent of a limit that must be used before a limit may be raised
  # max_raise  = 2        # the largest factor by which a limit may grow
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
  # notify {                  # who is told about plans that wait for a person
  #   exec    = ["/usr/local/bin/tell", "storage"]
  #   webhook = "https://chat.example.com/hooks/storage"
  # }
}

state {
  path = "/var/lib/cscs-sync" # on a local disk, never on the managed storage
}
