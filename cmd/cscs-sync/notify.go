package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// notifier tells systemd how the service fares: the protocol of sd_notify(3), one datagram a message to the socket that
// NOTIFY_SOCKET names. Without systemd it does nothing.
type notifier struct {
	socket string
	// watchdog is how often systemd wants a sign of life, halved as sd_watchdog_enabled(3) advises; 0 if it wants none.
	watchdog time.Duration
}

func newNotifier(getenv func(string) (string, bool)) *notifier {
	n := &notifier{}
	n.socket, _ = getenv("NOTIFY_SOCKET")
	limit, _ := getenv("WATCHDOG_USEC")
	pid, forSomebody := getenv("WATCHDOG_PID")
	if usec, err := strconv.ParseInt(limit, 10, 64); err == nil && usec > 0 && (!forSomebody || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(usec) * time.Microsecond / 2
	}
	return n
}

// send sends one message. Errors are not worth ending for: systemd notices by its own watchdog.
func (n *notifier) send(message string) {
	if n.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(message))
}

// reloading says that a reload begins, with the monotonic time that systemd wants to see; READY=1 ends it.
func (n *notifier) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
	}
}

// watchReload hears SIGHUP, which asks the loop to read its configuration again. It replaces the meaning that SIGHUP has
// for all other commands.
func watchReload() <-chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}
