package main

import (
	"net"
	"os"
	"os/signal"
	"syscall"
)

// notifier tells systemd how the service fares: the protocol of sd_notify(3), one datagram a message to the socket that
// NOTIFY_SOCKET names. Without systemd it does nothing.
type notifier struct{ socket string }

func newNotifier(getenv func(string) (string, bool)) *notifier {
	path, _ := getenv("NOTIFY_SOCKET")
	return &notifier{path}
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

// watchReload hears SIGHUP, which asks the loop to read its configuration again. It replaces the meaning that SIGHUP has
// for all other commands.
func watchReload() <-chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}
