// Package pgtest runs real PostgreSQL servers for tests. They are Debian's. Each one listens on its
// own socket in a temporary folder, where nothing else can reach it.
package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is one running server.
type Server struct {
	// Folder has the data and the socket.
	Folder string
	bin    string
	as     *syscall.Credential
	// passwd is a list of users that the server can read, if the machine's list is readable only by
	// root.
	passwd string
	// port is the TCP port of a server that listens on the loopback interface; 0 means only on the
	// socket.
	port int
	cmd  *exec.Cmd
	done chan error
}

// programs returns the folder of Debian's newest server, or "" if there is none.
func programs() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

func version(initdb string) int {
	n, _ := strconv.Atoi(strings.Split(initdb, "/")[4])
	return n
}

// Start runs a server until the test ends. settings are lines of postgresql.conf. The test is
// skipped if PostgreSQL is not installed; `make setup` installs it on Debian.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := prepare(t)
	s.run(t, filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "-E",
		"UTF8", "--locale=C", "-N")
	s.Configure(t, append([]string{"fsync = off"}, settings...)...)
	s.Launch(t)
	return s
}

// prepare creates the folder of a server, but does not start it.
func prepare(t testing.TB) *Server {
	t.Helper()
	s := &Server{bin: programs()}
	if s.bin == "" {
		t.Skip("PostgreSQL is not installed: make setup")
	}
	var err error
	// The path of a socket must be short, so the folder is not below the test's long name.
	if s.Folder, err = os.MkdirTemp("", "cscs-pg"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.Folder) })
	if os.Geteuid() != 0 {
		return s
	}
	// PostgreSQL refuses to run as root.
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(s.Folder, uid, gid); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat("/etc/passwd"); err == nil && info.Mode()&0o004 == 0 {
		s.passwd = filepath.Join(s.Folder, "passwd")
		line := fmt.Sprintf("postgres:x:%d:%d::/:/bin/sh\n", uid, gid)
		if err := errors.Join(os.WriteFile(s.passwd, []byte(line), 0o644),
			os.Chmod(s.passwd, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *Server) data() string { return filepath.Join(s.Folder, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	if s.passwd != "" {
		cmd = exec.Command("unshare", append([]string{"--mount", "sh", "-c",
			`mount --bind "$1" /etc/passwd && shift && exec "$@"`, "sh", s.passwd,
			"setpriv", fmt.Sprintf("--reuid=%d", s.as.Uid), fmt.Sprintf("--regid=%d", s.as.Gid), "--clear-groups", "--", program}, args...)...)
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	}
	cmd.Dir = s.Folder
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if s.port != 0 {
		cmd.Env = append(cmd.Env, fmt.Sprint("PGPORT=", s.port))
	}
	return cmd
}

func (s *Server) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := s.command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, out)
	}
}

// Configure adds lines to postgresql.conf.
func (s *Server) Configure(t testing.TB, settings ...string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(strings.Join(settings, "\n") + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Launch starts the server and waits until it answers.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	var log bytes.Buffer
	args := []string{"-D", s.data(), "-k", s.Folder, "-c", "listen_addresses="}
	if s.port != 0 {
		args = append(args[:4], "-c", "listen_addresses=127.0.0.1", "-c", fmt.Sprint("port=", s.port))
	}
	s.cmd = s.command(filepath.Join(s.bin, "postgres"), args...)
	s.cmd.Stdout, s.cmd.Stderr = &log, &log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(s.cmd, s.done)
	t.Cleanup(s.Kill)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if s.command(filepath.Join(s.bin, "pg_isready"), "-q", "-h", s.Folder).Run() == nil {
			return
		}
		if time.Now().After(deadline) {
			s.Kill()
			t.Fatalf("the server does not start:\n%s", log.String())
		}
	}
}

// ListenTLS makes the server listen on a loopback port, with TLS only, and returns the port. The
// certificate and its key are in PEM format.
func (s *Server) ListenTLS(t testing.TB, certificate, key []byte) int {
	t.Helper()
	s.Stop()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = free.Addr().(*net.TCPAddr).Port
	free.Close()
	files := map[string][]byte{"server.crt": certificate, "server.key": key,
		"pg_hba.conf": []byte("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")}
	for name, text := range files {
		path := filepath.Join(s.data(), name)
		err = errors.Join(err, os.WriteFile(path, text, 0o600))
		if s.as != nil {
			err = errors.Join(err, os.Chown(path, int(s.as.Uid), int(s.as.Gid)))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Configure(t, "ssl = on")
	s.Launch(t)
	return s.port
}

// Kill ends the server immediately, like a crash. Launch starts it again.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

// Stop shuts the server down properly.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

func (s *Server) end(signal syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal)
	<-s.done
	s.cmd = nil
}

// Standby starts a server that replicates this one.
func (s *Server) Standby(t testing.TB, settings ...string) *Server {
	t.Helper()
	other := prepare(t)
	other.run(t, filepath.Join(s.bin, "pg_basebackup"), "-h", s.Folder, "-U", "postgres", "-D",
		other.data(), "-R", "-X", "stream", "-c", "fast")
	other.Configure(t, settings...)
	other.Launch(t)
	return other
}

// Promote makes a standby the primary.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.run(t, filepath.Join(s.bin, "pg_ctl"), "-D", s.data(), "promote", "-w")
}

// SQL runs statements as the superuser and returns their output, one row per line.
func (s *Server) SQL(t testing.TB, database, statements string) string {
	t.Helper()
	cmd := s.command("psql", "-h", s.Folder, "-U", "postgres", "-d", database, "-AtqX", "-v", "ON_ERROR_STOP=1", "-c", statements)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", statements, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Database makes a new database and returns its URL.
func (s *Server) Database(t testing.TB, name string) string {
	t.Helper()
	s.SQL(t, "postgres", "CREATE DATABASE "+name)
	return s.URL("postgres", name)
}

// URL returns the address of a database for a user.
func (s *Server) URL(user, database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s", url.PathEscape(user), database,
		url.QueryEscape(s.Folder))
}
