package approval_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waldur/cscs-storage-sync/planner/approval"
)

// One of two people has approved.
func ExampleJudge() {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		fmt.Println(err)
		return
	}
	list := "*@example.com " + string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	signers, err := approval.ParseSigners([]byte(list), time.UTC)
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)
	id, context := "sha256:"+strings.Repeat("9f", 32), "sha256:"+strings.Repeat("07", 32)

	a, err := approval.SSH(rand.Reader, approval.Message{
		Plan: id, Context: context, Name: "anna@example.com", Time: now, Ticket: "CHG-4711",
	}, signer)
	if err != nil {
		fmt.Println(err)
		return
	}
	block, err := a.Block()
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := approval.Judge(approval.Input{
		Plan: id, Context: context, File: "week.plan", Blocks: [][]byte{block},
		Now:   now.Add(time.Hour),
		Rules: approval.Rules{Required: 2, ValidFor: 7 * 24 * time.Hour, Signers: signers},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("enough:", v.Enough)
	fmt.Println(strings.Join(v.Reasons, "\n"))
	// Output:
	// enough: false
	// approved by 1 of 2 different people; somebody else must approve too
	// next: cscs-sync approve --key KEY week.plan
}
