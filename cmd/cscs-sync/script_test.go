package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/vastsim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// TestScripts runs testdata/script/*.txtar: the specification of the command line, one behaviour each. The commands
// beside testscript's own are in [scriptCommands].
func TestScripts(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the scripts give directories to groups, which only root can")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setupScript,
		Cmds:                scriptCommands(),
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// The scripts agent_NN_… show each of the 29 known defects of the Python agent with the opposite outcome. One is tested
// elsewhere: 23, requests without a time limit, in package providers/waldur, where the limit can be made short.

// setupScript fixes what would differ from run to run, and puts an `lfs` that is the simulator into $WORK.
func setupScript(env *testscript.Env) error {
	env.Setenv("CSCS_TEST_NOW", "2026-11-22T21:40:03Z")
	env.Setenv("TERM", "xterm")
	env.Setenv("GORACE", os.Getenv("GORACE"))
	env.Setenv("RESPONSES", responses(env))
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		return err
	}
	env.Setenv("DOCS", docs)
	env.Setenv("DOCSITE", filepath.Join(filepath.Dir(docs), "cmd/cscs-sync/testdata/docs"))
	bin, _, _ := strings.Cut(env.Getenv("PATH"), string(os.PathListSeparator))
	return os.Symlink(filepath.Join(bin, "lfs"), filepath.Join(env.WorkDir, "lfs"))
}

// responses are the real proxy's answers.
func responses(*testscript.Env) string {
	dir, err := filepath.Abs("../../providers/waldur/testdata/responses")
	if err != nil {
		panic(err)
	}
	return dir
}

// scriptCommands are what the scripts can say beside testscript's own commands:
//
//	site [SCENARIO]        start Waldur and the proxy with a scenario, make mount points for capstor, iopsstor and vast, an
//	                       `lfs`, tokens, and cscs-sync.hcl: from cscs-sync.hcl.in if there is one ($URL, $WORK), else a usual one.
//	                       SCENARIO is a file in $WORK, or mini: the 18 resources of the recorded responses
//	vast                   start a VAST system that keeps $WORK/vast.json, with its token in vast.token, and have system
//	                       vast of cscs-sync.hcl set quotas there; $VAST is its address
//	control METHOD PATH [BODY]  talk to the simulator's control interface, or to another by its whole URL; the
//	                       answer is on stdout
//	tree DIR               list a directory: mode owner:group path, on stdout
//	edit FILE OLD NEW      replace one occurrence of a text in a file; \n in NEW is a line end
//	schema NAME FILE       check a JSON file (or JSON lines) against docs/schema/NAME.schema.json
//	same FILE FILE         like cmp, and says so in one line
//	chown OWNER:GROUP PATH, chmod MODE PATH with four digits
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"site":    cmdSite,
		"vast":    cmdVAST,
		"control": cmdControl,
		"tree":    cmdTree,
		"edit":    cmdEdit,
		"schema":  cmdSchema,
		"chown":   cmdChown,
		"mode":    cmdMode,
	}
}

const usualConfig = `
proxy {
  url   = "$URL/api/storage-resources/"
  token = file("$WORK/proxy.token")
}
waldur {
  url   = "$URL/api/"
  token = file("$WORK/waldur.token")
}
storage { root = "$WORK/mnt" }
system "capstor" {
  directory  = "capstor"
  filesystem = "any"
  quota "lustre" {
    client = "lfs"
    lfs    = "$WORK/lfs"
  }
}
system "iopsstor" {
  directory  = "iopsstor"
  filesystem = "any"
  quota "lustre" {
    client = "lfs"
    lfs    = "$WORK/lfs"
  }
}
system "vast" {
  directory  = "vast"
  filesystem = "any"
  quota "none" {}
}
state { path = "$WORK/state" }
`

func cmdSite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: site [SCENARIO]")
	}
	work := ts.Getenv("WORK")
	sim := waldursim.New(waldursim.Options{})
	server := httptest.NewServer(sim)
	ts.Defer(func() { server.CloseClientConnections(); server.Close() })
	ts.Setenv("URL", server.URL)
	if len(args) == 1 {
		ts.Check(sim.Load(scenario(ts, args[0])))
	}
	for _, dir := range []string{"capstor", "iopsstor", "vast"} {
		ts.Check(os.MkdirAll(filepath.Join(work, "mnt", dir), 0o755))
	}
	ts.Check(os.WriteFile(filepath.Join(work, "proxy.token"), []byte(waldursim.DefaultProxyToken+"\n"), 0o600))
	ts.Check(os.WriteFile(filepath.Join(work, "waldur.token"), []byte(waldursim.DefaultWaldurToken+"\n"), 0o600))
	ts.Check(lfssim.Init(filepath.Join(work, "lfs.json"), lfssim.State{Release: "2.15.8", Mounts: []lfssim.Mount{{Path: filepath.Join(work, "mnt"), FS: "test"}}}))
	config := usualConfig
	if in, err := os.ReadFile(filepath.Join(work, "cscs-sync.hcl.in")); err == nil {
		config = string(in)
	}
	config = os.Expand(config, func(name string) string {
		switch name {
		case "URL", "WORK":
			return ts.Getenv(name)
		}
		return "${" + name + "}"
	})
	ts.Check(os.WriteFile(filepath.Join(work, "cscs-sync.hcl"), []byte(config), 0o600))
}

func cmdVAST(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: vast")
	}
	work := ts.Getenv("WORK")
	sim, err := vastsim.New(filepath.Join(work, "vast.json"))
	ts.Check(err)
	server := httptest.NewServer(sim)
	ts.Defer(func() { server.CloseClientConnections(); server.Close() })
	was := ts.Getenv("VAST")
	ts.Setenv("VAST", server.URL)
	ts.Check(os.WriteFile(filepath.Join(work, "vast.token"), []byte(vastsim.Token+"\n"), 0o600))
	path := filepath.Join(work, "cscs-sync.hcl")
	config, err := os.ReadFile(path)
	ts.Check(err)
	if was != "" { // another one in its place, with what it kept
		config = bytes.Replace(config, []byte(was), []byte(server.URL), 1)
	}
	block := fmt.Sprintf("quota \"vast\" {\n    url         = %q\n    token       = file(%q)\n    path_prefix = \"/export\"\n  }",
		server.URL+"/api/v5/", filepath.Join(work, "vast.token"))
	ts.Check(os.WriteFile(path, bytes.Replace(config, []byte(`quota "none" {}`), []byte(block), 1), 0o600))
}

func scenario(ts *testscript.TestScript, name string) waldursim.Scenario {
	path := ts.MkAbs(name)
	if name == "mini" {
		path = "../internal/waldursim/testdata/mini_seed.json"
	}
	data, err := os.ReadFile(path)
	ts.Check(err)
	var s waldursim.Scenario
	ts.Check(json.Unmarshal(data, &s))
	return s
}

func cmdControl(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: control METHOD PATH [BODY]")
	}
	body := ""
	if len(args) == 3 {
		body = args[2]
	}
	url := args[1]
	if strings.HasPrefix(url, "/") {
		url = ts.Getenv("URL") + url
	}
	req, err := http.NewRequest(args[0], url, strings.NewReader(body))
	ts.Check(err)
	if vast := ts.Getenv("VAST"); vast != "" && strings.HasPrefix(url, vast) {
		req.Header.Set("Authorization", "Api-Token "+vastsim.Token)
	}
	answer, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	var pretty bytes.Buffer
	if json.Indent(&pretty, text, "", " ") == nil {
		text = pretty.Bytes()
	}
	_, _ = ts.Stdout().Write(text)
	if failed := answer.StatusCode >= 300; failed != neg {
		ts.Fatalf("%s %s: %s\n%s", args[0], args[1], answer.Status, text)
	}
}

func cmdTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tree DIR")
	}
	root := ts.MkAbs(args[0])
	var lines []string
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root || strings.HasPrefix(d.Name(), ".managed-by.") { // that has an inode in its name
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		lines = append(lines, fmt.Sprintf("%04o %d:%d %s", st.Mode&0o7777, st.Uid, st.Gid, rel))
		return nil
	}))
	sort.Slice(lines, func(i, j int) bool {
		return lines[i][strings.LastIndexByte(lines[i], ' '):] < lines[j][strings.LastIndexByte(lines[j], ' '):]
	})
	for _, l := range lines {
		fmt.Fprintln(ts.Stdout(), l)
	}
}

func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	data, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.Contains(data, []byte(args[1])) {
		ts.Fatalf("edit: %s does not contain %q", args[0], args[1])
	}
	latest := strings.ReplaceAll(args[2], `\n`, "\n")
	ts.Check(os.WriteFile(path, bytes.Replace(data, []byte(args[1]), []byte(latest), 1), info.Mode().Perm()))
}

func cmdSchema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: schema NAME FILE")
	}
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/" + args[0] + ".schema.json")
	ts.Check(err)
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[1])))
	d.UseNumber()
	n := 0
	for ; d.More(); n++ {
		var v any
		ts.Check(d.Decode(&v))
		if err := schema.Validate(v); err != nil {
			ts.Fatalf("%s, document %d: %v", args[1], n+1, err)
		}
	}
	if n == 0 {
		ts.Fatalf("%s holds no JSON", args[1])
	}
}

func cmdChown(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: chown UID:GID PATH")
	}
	var uid, gid int
	_, err := fmt.Sscanf(args[0], "%d:%d", &uid, &gid)
	ts.Check(err)
	ts.Check(os.Lchown(ts.MkAbs(args[1]), uid, gid))
}

func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL PATH")
	}
	var mode uint32
	_, err := fmt.Sscanf(args[0], "%o", &mode)
	ts.Check(err)
	ts.Check(syscall.Chmod(ts.MkAbs(args[1]), mode))
}
