// Package sshagent gives access to the SSH agent of the person who approves a plan.
package sshagent

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/waldur/cscs-storage-sync/planner/approval"
)

// Signer returns a signer for the private half of a key in the agent at socket. The agent may take
// long, because a person may have to touch a key. The end of ctx closes the connection, and so does
// done, which the caller must call.
func Signer(ctx context.Context, socket string,
	public ssh.PublicKey) (s ssh.Signer, done func(), err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the SSH agent: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	done = func() {
		stop()
		conn.Close()
	}
	if s, err = approval.AgentSigner(agent.NewClient(conn), public); err != nil {
		done()
		return nil, nil, errors.Join(err, context.Cause(ctx))
	}
	return s, done, nil
}
