package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// TestMain makes the test binary stand for the real ones in scripts, which run them as processes of their own.
func TestMain(m *testing.M) {
	// The race detector sleeps at the end of a process, and its own variable does not get through to lfs.
	lfs := func() { syscall.Exit(lfssim.Main(calledAs(os.Args), os.Getenv, os.Stdout, os.Stderr)) }
	testscript.Main(m, map[string]func(){
		"cscs-sync": func() {
			if names, limited := os.LookupEnv("CSCS_TEST_CAPABILITIES"); limited {
				os.Unsetenv("CSCS_TEST_CAPABILITIES")
				panic(withCapabilities(strings.Fields(names), calledAs(os.Args)))
			}
			code := profiled(os.Getenv("CSCS_TEST_PROFILE"), func() int {
				return offFirstThread(func() int { return run(context.Background(), testApp(), os.Args[1:]) })
			})
			if f := os.Getenv("CSCS_TEST_STATUS"); f != "" {
				copyStatus(f)
			}
			os.Exit(code)
		},
		"waldur-sim": func() { os.Exit(waldursim.Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
		"lfs-sim":    lfs,
		"lfs":        lfs,
	})
}

// calledAs puts back the path by which the process was called, which testscript cuts to its last part: the simulator finds
// its state beside it.
func calledAs(args []string) []string {
	line, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		panic(err)
	}
	path, _, _ := strings.Cut(string(line), "\x00")
	return append([]string{path}, args[1:]...)
}

// testApp is the real process but for what the environment of a test says:
//
//	CSCS_TEST_NOW      the time, RFC 3339, instead of the clock
//	CSCS_TEST_HOST     the host's name
//	CSCS_TEST_CALLBACK_TIMEOUT  how long Waldur may take to answer a callback
//	CSCS_TEST_MOUNT_TIMEOUT     how long a mount may take to answer
//	CSCS_TEST_CAPABILITIES      the capabilities that are left to us
//	CSCS_TEST_KILL     kill -9 ourselves at the Nth point that an apply reaches
//	CSCS_TEST_STOP     stop ourselves at the first point of this name, as a paused machine does
//	CSCS_TEST_UNGUARDED  ask no guard before a change
//	CSCS_TEST_POINTS   append the name of each point to this file
//	CSCS_TEST_KERNEL   answer quota ioctls as [benchKernel] does
//	CSCS_TEST_PROFILE  leave a profile of the processor time in this folder
//	CSCS_TEST_STATUS   at the end, write what the kernel says of the process to this file
func testApp() *app {
	a := system()
	a.user = "root"
	a.host = "testhost"
	if h := os.Getenv("CSCS_TEST_HOST"); h != "" {
		a.host = h
	}
	if s := os.Getenv("CSCS_TEST_NOW"); s != "" {
		now, err := time.Parse(time.RFC3339, s)
		if err != nil {
			panic(err)
		}
		a.now = func() time.Time { return now }
	}
	if d, err := time.ParseDuration(os.Getenv("CSCS_TEST_CALLBACK_TIMEOUT")); err == nil {
		a.callbackTimeout = d
	}
	if os.Getenv("CSCS_TEST_KERNEL") != "" {
		a.kernel = benchKernel
	}
	if os.Getenv("CSCS_TEST_UNGUARDED") != "" {
		a.locker = func(l ledger.Locker) ledger.Locker { return unguarded{l} }
	}
	if d, err := time.ParseDuration(os.Getenv("CSCS_TEST_MOUNT_TIMEOUT")); err == nil {
		a.mountTimeout = d
	}
	killAt, _ := strconv.Atoi(os.Getenv("CSCS_TEST_KILL"))
	points := os.Getenv("CSCS_TEST_POINTS")
	if killAt > 0 || points != "" {
		a.reached = killer(killAt, points)
	}
	if at := os.Getenv("CSCS_TEST_STOP"); at != "" {
		var once sync.Once
		a.reached = func(point string) {
			if point == at {
				once.Do(func() {
					_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
					time.Sleep(100 * time.Millisecond) // this thread goes on until all are stopped
				})
			}
		}
	}
	return a
}

// unguarded is a lock that is not asked whether it is still held.
type unguarded struct{ ledger.Locker }

func (u unguarded) Lock(ctx context.Context, by ledger.Holder, wait time.Duration) (ledger.Lock, error) {
	l, err := u.Locker.Lock(ctx, by, wait)
	return unasked{l}, err
}

type unasked struct{ ledger.Lock }

func (unasked) Check() error { return nil }

// killer counts the points of an apply and kills the process at the nth, as kill -9 from outside would.
func killer(n int, file string) func(string) {
	counter := make(chan int, 1)
	counter <- 0
	return func(point string) {
		at := <-counter + 1
		if file != "" {
			f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				panic(err)
			}
			_, _ = f.WriteString(point + "\n")
			f.Close()
		}
		if at == n {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		counter <- at
	}
}
