package lfssim

// help returns the usage text that a command prints after a usage error, word for word like the
// real program.
func (r release) help(command string) string {
	switch {
	case command == "setquota" && r.modern:
		return modernSetquota
	case command == "quota" && r.modern:
		return modernQuota
	case command == "project" && r.modern:
		return modernProject
	case command == "setquota":
		return oldSetquota
	case command == "quota":
		return oldQuota
	default:
		return oldProject
	}
}

const oldSetquota = `Set filesystem quotas.
usage: setquota [-t][-D] {-u|-U|-g|-G|-p|-P} {-b|-B|-i|-I LIMIT} [--pool POOL] FILESYSTEM
	 setquota {-u|-g|-p} --delete FILESYSTEM

`

const oldQuota = `Display disk usage and limits.
usage: quota [-q] [-v] [-h] [-o OBD_UUID|-i MDT_IDX|-I OST_IDX]
	       [{-u|-g|-p} UNAME|UID|GNAME|GID|PROJID]
	       [--pool <OST pool name>] <filesystem>
	 quota -t <-u|-g|-p> [--pool <OST pool name>] <filesystem>
	 quota [-q] [-v] [h] {-U|-G|-P} [--pool <OST pool name>] <filesystem>
`

const oldProject = `Change or list project attribute for specified file or directory.
usage: project [-d|-r] <file|directory...>
         list project ID and flags on file(s) or directories
       project [-p id] [-s] [-r] <file|directory...>
         set project ID and/or inherit flag for specified file(s) or directories
       project -c [-d|-r [-p id] [-0]] <file|directory...>
         check project ID and flags on file(s) or directories, print outliers
       project -C [-r] [-k] <file|directory...>
         clear the project inherit flag and ID on the file or directory

`

const modernSetquota = `Set filesystem quotas.
usage: setquota [-t] {-u|-U|-g|-G|-p|-P ID} {-b|-B|-i|-I LIMIT}
                [--lqa LQA_NAME] [--pool POOL] MOUNT_POINT
       setquota {-u|-g|-p ID} {--default|--delete} MOUNT_POINT

`

const modernQuota = `Display disk usage and limits.
usage: quota [-q] [-v] [-h] [-o OBD_UUID|-o OST_IDX|-m MDT_IDX]
             [{-u|-g|-p} UNAME|UID|GNAME|GID|PROJID]
             [--blocks|--busage|--space]
             [--block-softlimit|--bsoftlimit]
             [--block-hardlimit|--bhardlimit]
             [--block-grace|--bgrace|--btime]
             [--delimiter DELIMITER]
             [--filesystem|--mount-point]
             [--inodes|--iusage]
             [--inode-softlimit|--isoftlimit]
             [--inode-hardlimit|--ihardlimit]
             [--inode-grace|--igrace|--itime]
             [--lqa LQA_NAME]
             [--pool OST_POOL_NAME]
             [MOUNT_POINT ...]
       quota -t {-u|-g|-p} [--pool OST_POOL_NAME] [MOUNT_POINT ...]
       quota [-hqv] {-U|-G|-P} [--pool OST_POOL_NAME] [MOUNT_POINT ...]
       quota -a {-u|-g|-p} [-n] [-s START_QID] [-e END_QID]
             [--show-root] [MOUNT_POINT ...]

`

const modernProject = `Change or list project attribute for specified file or directory.
usage: project [-d|--directory] [-r|--recursive] FILE|DIRECTORY...
         list project ID and flags on file(s) or directories
       project [-p|--proj-inherit|--inherit ID] [-s|--set-inherit]
                       [-d|--directory] [-r|--recursive] FILE|DIRECTORY...
         set project ID and/or inherit flag for specified file(s) or directories
       project -c|--check [-p|--proj-inherit|--inherit ID]
               [-0|--print0] [-d|--directory] [-r|--recursive]
               FILE|DIRECTORY...
         check project ID and flags on file(s) or directories, print outliers
       project -C|--clear [-k|--keep] [-d|--directory]
               [-r|--recursive] FILE|DIRECTORY...
         clear the project inherit flag and ID on the file or directory

`
