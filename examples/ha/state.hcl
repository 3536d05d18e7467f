# A state that mgmt1 and mgmt2 share. Put it beside the rest of the configuration in /etc/cscs-sync, the same on both nodes, in
# place of a state block without a label. See docs/how-to/two-nodes.md.

state "postgres" {
  # postgres://cscs_sync:PASSWORD@db1,db2/waldur?sslmode=verify-full&target_session_attrs=read-write
  url  = file("/etc/cscs-sync/state.url")
  name = "alps"

  # The node's name is the host name. No two nodes may have the same.
  path = "/var/lib/cscs-sync"

  # Run with the node's name as its last argument, when that node's lease has expired. It must be sure before it says 0.
  fence { exec = ["/usr/local/sbin/cscs-sync-fence"] }
}
