package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// story runs what the demo shows.
func (d *demo) story() error {
	if err := d.before(); err != nil {
		return err
	}
	d.say("Since then: climate ordered storage and bio ordered more, old was terminated,\n   " +
		"astro's order waits for its customer, and lost has a path that is not allowed.\n   What would " +
		"cscs-sync do?")
	for _, args := range [][]string{{"plan", "--out", "change.plan"}, {"verify", "change.plan"}} {
		if err := d.show(args...); err != nil && args[0] == "plan" {
			return err
		}
	}
	d.say("A change board reads this file, attached to a ticket. The plan is not approved yet,\n   " +
		"so apply refuses (exit code 3), and nothing changes.")
	if err := d.show("apply", "change.plan"); err == nil {
		return fmt.Errorf("an unapproved plan was applied")
	}
	d.say("Somebody approves it. (On a real site: signed with an SSH key.)")
	fmt.Fprintf(d.out, "\n$ cscs-sync approve --ticket CHG-4711 change.plan\n")
	if err := d.approve("change.plan"); err != nil {
		return err
	}
	if err := d.show("apply", "change.plan"); err != nil {
		return err
	}
	d.say("The next plan changes nothing (exit code 0), and old's data is kept:")
	if err := d.show("plan", "--detailed-exitcode"); err != nil {
		return err
	}
	if err := d.show("archive", "list"); err != nil {
		return err
	}
	d.say("What Waldur says now:")
	if err := d.orders(); err != nil {
		return err
	}
	return d.farewell()
}

// before brings the site to the start of the story: three recorded directories with data in them.
func (d *demo) before() error {
	var out bytes.Buffer
	if err := d.cscs(&out, "plan", "--out", "first.plan"); err != nil {
		return fmt.Errorf("%w\n%s", err, out.String())
	}
	if err := d.cscs(&out, "approve", "first.plan"); err != nil {
		return fmt.Errorf("%w\n%s", err, out.String())
	}
	if err := d.cscs(&out, "apply", "first.plan"); err != nil {
		return fmt.Errorf("%w\n%s", err, out.String())
	}
	if err := os.Remove(filepath.Join(d.dir, "first.plan")); err != nil {
		return err
	}
	data := filepath.Join(d.dir, "mnt/capstor/store/cscs/uzh/old/thesis.dat")
	if err := os.WriteFile(data, bytes.Repeat([]byte("data"), 1024), 0o600); err != nil {
		return err
	}
	for _, event := range []struct{ path, body string }{
		{"resources", `{"offering":"capstor","customer":"eth","project":"climate","data_type":"store","gid":30500,"limits":{"storage":18},"order":{"type":"Create"}}`},
		{"resources/capstor-bio-store/update", `{"limits":{"storage":20}}`},
		{"resources/capstor-old-store/terminate", `{}`},
		{"resources", `{"offering":"capstor","customer":"eth","project":"astro","data_type":"store","gid":30504,"limits":{"storage":2},"order":{"type":"Create","state":"pending-consumer"}}`},
		{"resources", `{"offering":"capstor","customer":"eth","project":"lost","data_type":"store","gid":30505,"limits":{"storage":2},"backend_id":"/elsewhere/lost"}`},
	} {
		if err := d.control(event.path, event.body); err != nil {
			return err
		}
	}
	return d.use("12T", 81204)
}

// use sets how much bio's group has used, so that the plan can show percentages.
func (d *demo) use(space string, inodes int) error {
	gid := 30501
	if os.Geteuid() != 0 {
		gid = os.Getegid()
	}
	cmd := exec.Command(filepath.Join(d.bin, "lfs-sim"), "sim", "usage", "--state",
		filepath.Join(d.dir, "lfs.json"), "-g", fmt.Sprint(gid), "--space", space, "--inodes",
		fmt.Sprint(inodes), filepath.Join(d.dir, "mnt"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lfs-sim: %w: %s", err, out)
	}
	return nil
}

// approve approves a plan and prints only the last line of the output.
func (d *demo) approve(plan string) error {
	var out bytes.Buffer
	if err := d.cscs(&out, "approve", "--ticket", "CHG-4711", plan); err != nil {
		return fmt.Errorf("%w\n%s", err, out.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	fmt.Fprintln(d.out, lines[len(lines)-1])
	return nil
}

// control makes something happen in Waldur.
func (d *demo) control(path, body string) error {
	answer, err := http.Post(d.url+"/sim/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		return fmt.Errorf("waldur-sim: %s: %s: %s", path, answer.Status, text)
	}
	return nil
}

// orders prints Waldur's resources and their orders.
func (d *demo) orders() error {
	answer, err := http.Get(d.url + "/sim/state")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var state struct {
		Resources []struct {
			Slug   string `json:"slug"`
			State  string `json:"state"`
			Orders []struct {
				Type  string `json:"type"`
				State string `json:"state"`
			} `json:"orders"`
		} `json:"resources"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&state); err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	for _, r := range state.Resources {
		line := fmt.Sprintf("  %-24s %-12s", r.Slug, r.State)
		for _, o := range r.Orders {
			line += fmt.Sprintf(" order %s: %s", o.Type, o.State)
		}
		fmt.Fprintln(d.out, strings.TrimRight(line, " "))
	}
	return nil
}

// farewell writes a script that starts the simulator again, and prints what to try.
func (d *demo) farewell() error {
	_, port, _ := strings.Cut(strings.TrimPrefix(d.url, "http://"), ":")
	args := strings.Replace(strings.Join(d.simArgs(), " "), "127.0.0.1:0", "127.0.0.1:"+port, 1)
	start := fmt.Sprintf("#!/bin/sh\n# Starts the simulated proxy and Waldur again, with the three "+
		"projects of the beginning.\nexec %s/waldur-sim %s\n", d.bin, args)
	if err := os.WriteFile(filepath.Join(d.dir, "start"), []byte(start), 0o700); err != nil {
		return err
	}
	d.say("That was the demo. %s remains, so that you can try things out:", d.dir)
	fmt.Fprintf(d.out, `
  cd %[1]s
  %[2]s/cscs-sync show --commands change.plan | less -R
  %[2]s/cscs-sync state history
  ./start &                          # the simulator stopped with the demo
  chmod g+w,o+rx mnt/capstor/store/cscs/eth/chem
  %[2]s/cscs-sync plan                # drift, and what the simulator forgot
  %[2]s/cscs-sync explain /capstor/store/cscs/eth/chem
  %[2]s/cscs-sync help
`, d.dir, d.bin)
	return nil
}
