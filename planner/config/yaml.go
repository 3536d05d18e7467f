package config

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// Converted is a configuration made from the Python agent's YAML.
type Converted struct {
	// HCL is the configuration. It refers to the secrets as files beside it.
	HCL string
	// Secrets are files to write beside the configuration, with mode 0600, and nowhere else.
	Secrets []SecretFile
	// Notes are for the person who converts: what to check, and what has no counterpart.
	Notes []string
}

// SecretFile is a secret to write into a file.
type SecretFile struct {
	Name  string
	Value Secret
}

// Disk looks at the disk for the conversion, which needs to know only which directories exist.
type Disk interface {
	// IsDir reports whether a directory exists. A path that cannot be seen counts as existing.
	IsDir(path string) bool
}

// agent is the content of the Python agent's config.yaml.
type agent struct {
	proxyURL, apiToken, waldurToken, root, archive string
	mappings                                       []mapping
	hasMappings, dryRun, debug                     bool
	interval, minGID                               int64
}

// mapping is an entry of system_mappings: the folder of a system below storage_root.
type mapping struct {
	key, folder string
	line        int
}

// FromYAML converts the Python agent's YAML, with every key of it. A key that the agent did not
// know is an error. No error and no note contains the value of a secret.
func FromYAML(src []byte, disk Disk) (Converted, error) {
	a := agent{interval: 60, minGID: 1000}
	if err := a.parse(src); err != nil {
		return Converted{}, err
	}
	if err := a.placeMappings(); err != nil {
		return Converted{}, err
	}
	return a.convert(disk), nil
}

// placeMappings moves the folders of system_mappings below storage_root. An absolute folder becomes
// a path relative to storage.root, as in the configuration. A folder outside storage_root is an
// error, because all directories of this configuration are below storage.root.
func (a *agent) placeMappings() error {
	var problems []error
	for i := range a.mappings {
		m := &a.mappings[i]
		folder := m.folder
		if strings.HasPrefix(folder, "/") {
			root := path.Clean(a.root)
			below, ok := strings.CutPrefix(path.Clean(folder), strings.TrimSuffix(root, "/")+"/")
			switch {
			case !path.IsAbs(a.root):
				problems = append(problems,
					fmt.Errorf("line %d: system_mappings has the absolute directory %s for %s, but there is no "+
						"absolute storage_root: write storage_root, or a directory below it", m.line, folder, m.key))
				continue
			case !ok:
				problems = append(problems,
					fmt.Errorf("line %d: system_mappings has the directory %s for %s, which is not below "+
						"storage_root, %s. Write a directory below storage_root, or a storage_root above "+
						"all systems",
						m.line, folder, m.key, root))
				continue
			}
			folder = below
		}
		m.folder = folder
	}
	return errors.Join(problems...)
}

func (a *agent) parse(src []byte) error {
	var doc yaml.Node
	if len(src) > maxFile {
		return fmt.Errorf("read the YAML: it has more than %d bytes", maxFile)
	}
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return fmt.Errorf("read the YAML: the syntax is wrong%s", lineOf(err))
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return errors.New("read the YAML: want keys and values, such as proxy_url: https://…")
	}
	root := doc.Content[0]
	var problems []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		err := a.take(key.Value, value)
		if seen[key.Value] {
			err = errors.New("appears twice")
		}
		seen[key.Value] = true
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: %.40q %w", key.Line, key.Value, err))
		}
	}
	return errors.Join(problems...)
}

// lineOf finds the line in an error of the YAML parser, whose text may quote what it could not
// read.
func lineOf(err error) string {
	if m := regexp.MustCompile(`line [0-9]{1,9}`).FindString(err.Error()); m != "" {
		return " near " + m
	}
	return ""
}

func (a *agent) take(key string, v *yaml.Node) (err error) {
	switch key {
	case "proxy_url":
		a.proxyURL, err = scalar(v)
	case "api_token":
		a.apiToken, err = scalar(v)
	case "waldur_api_token":
		a.waldurToken, err = scalar(v)
	case "storage_root":
		a.root, err = scalar(v)
	case "archive_dir":
		a.archive, err = scalar(v)
	case "system_mappings":
		a.hasMappings = true
		a.mappings, err = mappings(v)
	case "sync_interval_seconds":
		a.interval, err = whole(v)
	case "min_gid_allowed":
		a.minGID, err = whole(v)
	case "dry_run":
		a.dryRun, err = boolean(v)
	case "debug_mode":
		a.debug, err = boolean(v)
	default:
		keys := []string{"proxy_url", "api_token", "waldur_api_token", "storage_root",
			"archive_dir", "system_mappings",
			"sync_interval_seconds", "min_gid_allowed", "dry_run", "debug_mode"}
		return fmt.Errorf("is not a key of the agent.%s", expr.DidYouMean(key, keys))
	}
	return err
}

// scalar returns a text. It refuses text that cannot be in one line of a configuration.
func scalar(v *yaml.Node) (string, error) {
	if v.Kind != yaml.ScalarNode {
		return "", errors.New("wants one value")
	}
	if v.Tag == "!!null" {
		return "", nil
	}
	s := strings.TrimSpace(v.Value)
	if !printable(s) {
		return "", errors.New("has control characters, or characters that cannot be seen")
	}
	return s, nil
}

func whole(v *yaml.Node) (int64, error) {
	n, err := strconv.ParseInt(v.Value, 10, 32)
	if v.Kind != yaml.ScalarNode || err != nil || n < 1 {
		return 0, errors.New("wants a whole number of 1 or more")
	}
	return n, nil
}

func boolean(v *yaml.Node) (b bool, err error) {
	if v.Kind != yaml.ScalarNode || v.Decode(&b) != nil {
		return false, errors.New("wants true or false")
	}
	return b, nil
}

func mappings(v *yaml.Node) ([]mapping, error) {
	if v.Kind == yaml.ScalarNode && v.Tag == "!!null" {
		return nil, nil
	}
	if v.Kind != yaml.MappingNode {
		return nil, errors.New("wants systems and their directories")
	}
	var all []mapping
	for i := 0; i+1 < len(v.Content); i += 2 {
		key, err := scalar(v.Content[i])
		folder, err2 := scalar(v.Content[i+1])
		folder = strings.TrimRight(folder, "/")
		switch {
		case err != nil || err2 != nil || !isComponent(key) ||
			!isStoragePath(strings.TrimPrefix(folder, "/")):
			return nil, fmt.Errorf(
				"has, in line %d, no system and directory such as capstor: capstor",
				v.Content[i].Line)
		case slices.ContainsFunc(all, func(m mapping) bool { return m.key == key }):
			return nil, fmt.Errorf("has the system %s twice", key)
		}
		all = append(all, mapping{key, folder, v.Content[i].Line})
	}
	return all, nil
}
