package config_test

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

const (
	proxyHead  = "proxy {\n url = \"https://p.example.com/\"\n"
	waldurBody = " token = env(\"TOKEN\")\n}\n"
)

// vastToken is the token of a quota block for a system on VAST.
const vastToken = "token = env(\"TOKEN\")\n"

func vastQuota(with, prefix string) string {
	return "quota \"vast\" {\nurl = \"https://vms.example.com/api/v5/\"\npath_prefix = \"" +
		prefix + "\"\n" + with + "}"
}

func onVAST(body string) string {
	return "system \"x\" {\ndirectory = \"d\"\nfilesystem = \"nfs\"\n" + body + "\n}\n"
}

func TestLoadRefuses(t *testing.T) {
	system := func(label,
		body string) string {
		return "system \"" + label + "\" {\n" + body + "\n}\n"
	}
	const dirs = "directory = \"d\"\nfilesystem = \"lustre\"\n"
	for name, c := range map[string]struct{ src, want string }{
		"two storage blocks": {base + "storage { root = \"/x\" }\n",
			"Duplicate storage block"},
		"relative root": {strings.Replace(base, "/mnt/lustre", "mnt",
			1), "absolute path"},
		"root not clean": {strings.Replace(base, "/mnt/lustre",
			"/mnt/../etc", 1), "absolute path"},
		"unknown block": {base + "sytem \"x\" {}\n",
			`Did you mean "system"?`},
		"attribute at the top": {base + "x = 1\n", "Unsupported argument"},
		"two systems of a name": {base + system("capstor", dirs),
			"Duplicate system"},
		"slug taken": {base + system("x",
			dirs+"slugs = [\"capstor\"]"), "Two systems with one name"},
		"slugs no list": {base + system("x", dirs+"slugs = \"a\""),
			"a list of texts"},
		"bad label": {base + system("a/b", dirs),
			"Unsuitable system name"},
		"directory escapes": {base + system("x",
			"directory = \"../x\"\nfilesystem = \"nfs\""), "relative to storage.root"},
		"directory absolute": {base + system("x",
			"directory = \"/x\"\nfilesystem = \"nfs\""), "relative to storage.root"},
		"directory is the root": {base + system("x",
			"directory = \".\"\nfilesystem = \"nfs\""), "relative to storage.root"},
		"equal directories": {base + system("x",
			"directory = \"capstor\"\nfilesystem = \"nfs\""), "Two systems in one directory"},
		"nested directories": {base + system("x",
			"directory = \"capstor/x\"\nfilesystem = \"nfs\""), "One system inside another"},
		"nested the other way": {strings.Replace(base,
			"directory = \"capstor\"", "directory = \"x/capstor\"", 1) + system("x",
			"directory = \"x\"\nfilesystem = \"nfs\""), "One system inside another"},
		"folder in another": {base + system("x",
			dirs+"paths = { \"/s\" = \"capstor/s\" }"), "One system inside another"},
		"equal folders": {base + system("x",
			dirs+"paths = { \"/s\" = \"q\" }") + system("y",
			"directory = \"e\"\nfilesystem = \"nfs\"\npaths = { \"/t\" = \"q\" }"),
			"Two systems in one directory"},
		"folder over its system": {base + system("x",
			"directory = \"a/b\"\nfilesystem = \"nfs\"\npaths = { \"/s\" = \"a\" }"),
			"A path that contains its system"},
		"prefix is the label": {base + system("x",
			dirs+"paths = { \"/x/old\" = \"d/old\" }"), "never asked for"},
		"prefix not clean": {base + system("x",
			dirs+"paths = { \"/s/\" = \"d/s\" }"), "not a prefix of mount paths"},
		"archive outside": {base + system("x",
			dirs+"archive = \"/tmp/t\""), "below storage.root"},
		"archive is the root": {base + system("x",
			dirs+"archive = \"/mnt/lustre\""), "below storage.root"},
		"archive over another": {base + system("x",
			dirs+"archive = \"/mnt/lustre/capstor\""), "Archive over live data"},
		"archive not clean": {base + system("x",
			dirs+"archive = \"/mnt/lustre/./t\""), "absolute path"},
		"lustre quota on nfs": {base + system("x",
			"directory = \"d\"\nfilesystem = \"nfs\"\nquota \"lustre\" {}"),
			"Lustre quotas without Lustre"},
		"ioctl on anything": {base + system("x",
			"directory = \"d\"\nfilesystem = \"any\"\nquota \"lustre\" { client = \"ioctl\" }"),
			"no Lustre that answers ioctls"},
		"project ids for groups": {base + system("x",
			dirs+"quota \"lustre\" { project_ids = \"1-2\" }"), "Only quotas by project"},
		"project ids backwards": {base + system("x",
			dirs+"quota \"lustre\" {\n by = \"project\"\n project_ids = \"2-1\"\n}"), "not a range"},
		"project id 0": {base + system("x",
			dirs+"quota \"lustre\" {\n by = \"project\"\n project_ids = \"0-9\"\n}"), "not a range"},
		"one project id": {base + system("x",
			dirs+"quota \"lustre\" {\n by = \"project\"\n project_ids = \"7\"\n}"), "not a range"},
		"project ids too large": {base + system("x",
			dirs+"quota \"lustre\" {\n by = \"project\"\n project_ids = \"1-2147483648\"\n}"),
			"not a range"},
		"kernel quotas on nfs": {base + system("x",
			"directory = \"d\"\nfilesystem = \"nfs\"\nquota \"linux\" {}"),
			"needs filesystem = \"xfs\" or \"ext4\""},
		"kernel quotas removed": {base + system("x",
			"directory = \"d\"\nfilesystem = \"xfs\"\nquota \"linux\" { on_remove = \"remove\" }"),
			"\"remove\" is not one of"},
		"VAST on lustre": {base + system("x",
			dirs+vastQuota(vastToken, "/s")), "VAST quotas without NFS"},
		"VAST without a token": {base + onVAST(vastQuota("", "/s")),
			"Missing token"},
		"VAST with two ways": {base +
			onVAST(vastQuota(vastToken+"user = \"u\"\npassword = env(\"TOKEN\")\n", "/s")),
			"Give token, or user and password, not both."},
		"VAST without a password": {base + onVAST(vastQuota("user = \"u\"\n",
			"/s")), "Half a way to log in"},
		"VAST with a literal token": {base + onVAST(vastQuota("token = \"x\"\n",
			"/s")), "Secret in the configuration"},
		"VAST by http": {base +
			onVAST(strings.Replace(vastQuota(vastToken, "/s"), "https:", "http:", 1)),
			"loopback addresses"},
		"VAST prefix relative": {base + onVAST(vastQuota(vastToken, "s")),
			"absolute path"},
		"VAST prefix not clean": {base + onVAST(vastQuota(vastToken, "/s/")),
			"absolute path"},
		"VAST prefix in its trash": {base +
			onVAST(vastQuota(vastToken, "/s/.vast_trash")), "VAST deletes everything in"},
		"VAST archive in its trash": {base +
			onVAST("archive = \"/mnt/lustre/d/.vast_trash/a\"\n"+vastQuota(vastToken, "/s")),
			"A folder that VAST deletes"},
		"VAST archive elsewhere": {base +
			onVAST("archive = \"/mnt/lustre/trash\"\n"+vastQuota(vastToken, "/s")),
			"A folder without a path on VAST"},
		"VAST folder elsewhere": {base + onVAST("paths = { \"/q\" = \"q\" }\n"+
			vastQuota(vastToken, "/s")), "A folder without a path on VAST"},
		"two quota blocks": {base + system("x",
			dirs+"quota \"none\" {}\nquota \"lustre\" {}"), "Duplicate quota block"},
		"options of another kind": {base + system("x",
			dirs+"quota \"none\" { by = \"group\" }"), "Unsupported argument"},
		"state in a system": {base +
			"state { path = \"/mnt/lustre/capstor\" }\n", "State on the managed storage"},
		"state in a paths folder": {base + system("x",
			dirs+"paths = { \"/s\" = \"s\" }") + "state { path = \"/mnt/lustre/s/t\" }\n",
			"State on the managed storage"},
		"min_gid 0": {strings.Replace(base, "lustre\"\n}",
			"lustre\"\n min_gid = 0\n}", 1), "a whole number from 1"},
		"max_mode of letters": {strings.Replace(base, "lustre\"\n}",
			"lustre\"\n max_mode = \"rwxrwxr-x\"\n}", 1), "three or four octal digits"},
		"max_mode of one digit": {strings.Replace(base, "lustre\"\n}",
			"lustre\"\n max_mode = \"7\"\n}", 1), "three or four octal digits"},
		"min_gid 1.5": {strings.Replace(base, "lustre\"\n}",
			"lustre\"\n min_gid = 1.5\n}", 1), "a whole number"},
		"no approval needed": {base + "approval { required = 0 }\n",
			"from 1 to 100"},
		"two without signers": {base + "approval { required = 2 }\n",
			"needs allowed_signers"},
		"signers missing": {base +
			"approval { allowed_signers = \"/nowhere\" }\n", "/nowhere does not exist"},
		"audit more often": {base + "run {\n interval = \"2h\"\n}\n",
			"more often than the interval"},
		"unknown policy word": {base +
			"auto_approve { allow = [\"delete\"] }\n", `"delete" is not one of`},
		"archives bounded to 0": {base +
			"auto_approve { allow = [\"archive\"] }\n", "Warning: Archiving is allowed"},
		"no token": {base + proxyHead + "}\n", "Missing token"},
		"two tokens": {base + proxyHead +
			" token = env(\"TOKEN\")\n oidc {\n token_url = \"https://k.example.com/t\"\n " +
			"client_id = \"x\"\n client_secret = env(\"TOKEN\")\n }\n}\n", "Two kinds of token"},
		"variable not set": {base + proxyHead +
			" token = env(\"NOWHERE\")\n}\n", `"NOWHERE" is not set`},
		"http to an alias is fine but not to waldur": {base +
			"waldur {\n url = \"http://w.example.com/\"\n aliases = [\"http://w:8000/api\"]\n" +
			waldurBody, "loopback addresses"},
		"url with a query": {base +
			"waldur {\n url = \"https://w.example.com/?a=b\"\n" + waldurBody, "query"},
		"url not clean": {base +
			"waldur {\n url = \"https://w.example.com/a/../b/\"\n" + waldurBody, "must be clean"},
		"url with escapes": {base +
			"waldur {\n url = \"https://w.example.com/%2e%2e/\"\n" + waldurBody, "must be clean"},
		"url of another kind": {base +
			"waldur {\n url = \"ftp://w.example.com/\"\n" + waldurBody, "Want https://"},
		"url without host": {base +
			"waldur {\n url = \"https:///api\"\n" + waldurBody, "whole URL"},
		"url by arithmetic": {base + "waldur {\n url = min(1, 2)\n" +
			waldurBody, "Want a URL in quotes"},
		"unlimited outside": {strings.Replace(base, "lustre\"\n}",
			"lustre\"\n min_gid = unlimited\n}", 1), "The word unlimited"},
		"two overrides of a name": {base +
			strings.Repeat("override \"o\" {\n match { path = \"/**\" }\n mode = \"2770\"\n}\n", 2),
			"Duplicate override"},
		"huge exponent": {base +
			"approval { required = 1e999999999 }\n", "Number too long"},
		"no text": {"e" + strings.Repeat("\x02", 8000),
			"Not a configuration"},
		"nested too deeply": {base + "approval { required = " +
			strings.Repeat("(", 60) + "1" + strings.Repeat(")", 60) + " }\n", "Nested too deeply"},
		"too large": {base + strings.Repeat("# padding\n", 30000),
			"has more than 262144 bytes"},
		"null": {base + "run { interval = null }\n",
			"not null"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, diags := load(t, newWorld(), c.src)
			got := rendered(t, cfg, diags)
			if !strings.Contains(strings.Join(strings.Fields(got), " "), c.want) ||
				len(diags) != 1 {
				t.Errorf("want just %q, got:\n%s", c.want, got)
			}
		})
	}
}

// Plain http is allowed if nobody can listen in.
func TestLoopbackMayBePlain(t *testing.T) {
	for _, host := range []string{"localhost", "127.0.0.1:8000", "127.9.9.9", "[::1]:80",
		"LOCALHOST"} {
		c := mustLoad(t, base+"waldur {\n url = \"http://"+host+"/api\"\n"+waldurBody)
		if want := "http://" + strings.ToLower(host) + "/api/"; c.Settings.Waldur.URL != want {
			t.Errorf("%s: %s", host, c.Settings.Waldur.URL)
		}
	}
	for _, host := range []string{"localhost.example.com", "127.0.0.1.example.com", "10.0.0.1",
		"[::2]"} {
		if _, diags := load(t, newWorld(), base+"waldur {\n url = \"http://"+host+"/api\"\n"+
			waldurBody); !diags.HasErrors() {
			t.Errorf("%s passes", host)
		}
	}
}

// Secrets may be parts of URLs. Then no part of the URL is shown, even if it is wrong.
func TestURLsFromSources(t *testing.T) {
	c := mustLoad(t, base+"waldur {\n url = \"https://${env(\"WALDUR_HOST\")}/api/\"\n"+waldurBody)
	if c.Settings.Waldur.URL != "https://waldur.example.com/api/" {
		t.Errorf("got %s", c.Settings.Waldur.URL)
	}
	if got := c.Hidden.Text("dial waldur.example.com"); got != "dial (secret)" ||
		!c.Settings.Waldur.Hidden.Equal(c.Hidden) {
		t.Errorf("what the URL takes from the environment is shown: %s", got)
	}
	for _, expr := range []string{`env("BAD_URL")`, `file("proxy.token")`,
		`"http://${file("proxy.token")}/"`, `[file("proxy.token")]`,
		`{ a = 1 }[file("proxy.token")]`, `{ (file("proxy.token")) = 1 }`, `kib(file("proxy.token"))`,
		`"${[1][file("proxy.token")]}"`} {
		c, diags := load(t, newWorld(), base+"waldur {\n url = "+expr+"\n"+waldurBody)
		if !diags.HasErrors() || strings.Contains(everyForm(t, c, diags), marker) {
			t.Errorf("%s: %s", expr, rendered(t, c, diags))
		}
	}
	w := newWorld()
	w.env = nil
	src := base + "waldur {\n url = env(\"WALDUR_URL\")\n" + waldurBody
	w.files["/etc/cscs-sync/cscs-sync.hcl"] = file{data: src, mode: 0o600}
	skipped, diags := config.Load("/etc/cscs-sync/cscs-sync.hcl", w,
		config.Options{Secrets: config.Skip})
	if len(diags) > 0 || skipped.Settings.Fingerprint != "" || skipped.Settings.Waldur.URL != "" {
		t.Errorf("skipping: %+v %v", skipped.Settings, diags)
	}
}

// These are all the ways in which people write a secret into the configuration.
func TestLiteralSecretsAreNotShown(t *testing.T) {
	for _, statement := range []string{
		`token = "%"`, `token = %`, `token = "%`, `token: "%"`, `token "%"`, `token "%" {}`,
		`"token" = "%"`, `tokn = "%"`, `Token = "%"`,
		`api_token = "%"`, `token = <<EOF` + "\n%\nEOF", `token = <<-EOF` + "\n%", `token = "${"%"}"`,
		`token = ["%"]`, `token = { a = "%" }`,
		`token = file("/x") + "%"`, `token = coalesce("%", env("TOKEN"))`, `token = upper("%")`,
		`token = env("TOKEN") "%"`,
		`token = (` + "\n\"%\"\n)", `oidc { client_secret = "%" }`, `oidc = { client_secret = "%" }`,
		"oidc {\n secret = \"%\"\n}", `password = "%"`,
		`timeout = "5m" token = "%"`, `timeout = "5m` + "\n" + `token = "%"`, `token = "a" ? "%" : "b"`,
		`token = %.foo["%"]`, `url = "https://user:%@host/"`,
		"token = # see below\n\"%\"", "token = file(\"proxy.token\") # it is %\npassword = \"%\"",
		"token = env(\"TOKEN\") # x\nclient_secret = \"%\"", `client_secrt = "%"`,
		`token = kib("%")`, `token = unknown("%")`, `token = '%'`,
	} {
		src := base + "proxy {\n url = \"https://p.example.com/\"\n" + strings.ReplaceAll(statement,
			"%", marker) + "\n}\n"
		c, diags := load(t, newWorld(), src)
		if !diags.HasErrors() {
			t.Errorf("%s is accepted", statement)
		}
		if out := everyForm(t, c, diags); strings.Contains(out, marker) {
			t.Errorf("%s is shown:\n%s", statement, rendered(t, c, diags))
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(config.Template()))
	f.Add([]byte(base + "waldur {\n url = \"https://${env(\"WALDUR_HOST\")}/api/\"\n" + waldurBody))
	f.Add([]byte(base + "override \"o\" {\n match { gid = [1] }\n quota { space_hard = " +
		"upstream.quota.space_hard * 1.1 }\n}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, diags := load(t, newWorld(), string(src))
		if strings.Contains(everyForm(t, c, diags), marker) {
			t.Errorf("%q shows a secret", src)
		}
		if formatted, diags := config.Format(src, "x.hcl"); !diags.HasErrors() {
			if again, diags := config.Format(formatted, "x.hcl"); diags.HasErrors() ||
				string(again) != string(formatted) {
				t.Errorf("%q is formatted to %q, and that to %q", src, formatted, again)
			}
		}
	})
}

// A literal token is not shown, whatever surrounds it.
func FuzzLiteralSecret(f *testing.F) {
	f.Add("proxy {", "}")
	f.Add("x = \"", "\"")
	f.Add("proxy { url = 1\n ", "foo bar")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before, "<<") {
			return // inside a heredoc it is a text like others
		}
		src := before + "\ntoken = \"" + marker + "\"\n" + after
		c, diags := load(t, newWorld(), src)
		if strings.Contains(everyForm(t, c, diags), marker) {
			t.Errorf("%q shows the secret:\n%s", src, rendered(t, c, diags))
		}
	})
}
