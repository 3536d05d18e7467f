# The least that plans something: one system, resources from files (plan --resources), approvals by one person.

storage {
  root = "/mnt/lustre"
}

system "capstor" {
  directory  = "capstor"
  filesystem = "lustre"
  quota "lustre" {}
}
