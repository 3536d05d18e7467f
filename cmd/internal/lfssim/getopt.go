package lfssim

import "strings"

// argument says how an option takes its argument.
type argument int

const (
	noArgument argument = iota
	needsArgument
	// The next word, unless it is an option or a path: `quota --pool [NAME]`. What follows "=" is
	// ignored.
	poolArgument
)

// options is the table of one command. It has every option by its spelling without dashes, with the
// name by which the command knows it.
type options map[string]option

type option struct {
	name string
	arg  argument
}

// short builds a table from a getopt string such as "u:tv".
func short(spec string) options {
	o := options{}
	for i, c := range spec {
		if c == ':' {
			continue
		}
		arg := noArgument
		if strings.HasPrefix(spec[i+1:], ":") {
			arg = needsArgument
		}
		o[string(c)] = option{string(c), arg}
	}
	return o
}

// long adds a long spelling.
func (o options) long(name string, as string, arg argument) options {
	o[name] = option{as, arg}
	return o
}

// unknownOption is the name that the handler gets for an option that is not in the table or lacks
// its argument. The value is the word as it was given.
const unknownOption = "?"

// getopt parses the arguments like the GNU function: options and other words may be mixed, "--"
// ends the options, and long options may be abbreviated if that is unambiguous. It calls handle for
// each option in order, and stops if handle returns a value other than 0. It returns the other
// words.
func getopt(args []string, table options, handle func(name, value string) int) (words []string,
	rc int) {
	p := parser{table: table, args: args, handle: handle}
	for len(p.args) > 0 && p.rc == 0 {
		arg := p.next()
		switch {
		case arg == "--":
			words = append(words, p.args...)
			return words, 0
		case strings.HasPrefix(arg, "--"):
			p.longOption(arg)
		case len(arg) > 1 && arg[0] == '-':
			p.cluster(arg)
		default:
			words = append(words, arg)
		}
	}
	return words, p.rc
}

type parser struct {
	table  options
	args   []string
	handle func(name, value string) int
	rc     int
}

func (p *parser) next() string {
	arg := p.args[0]
	p.args = p.args[1:]
	return arg
}

func (p *parser) longOption(arg string) {
	name, value, given := strings.Cut(arg[2:], "=")
	opt, ok := p.find(name)
	switch {
	case !ok, opt.arg == noArgument && given, opt.arg == needsArgument && !given &&
		len(p.args) == 0:
		p.rc = p.handle(unknownOption, arg)
	case opt.arg == needsArgument && !given:
		p.rc = p.handle(opt.name, p.next())
	case opt.arg == poolArgument:
		p.rc = p.handle(opt.name, p.poolName(given))
	default:
		p.rc = p.handle(opt.name, value)
	}
}

// poolName returns the next word if it can be a name. "" means all pools.
func (p *parser) poolName(given bool) string {
	if given || len(p.args) == 0 || p.args[0] == "" || p.args[0][0] == '/' || p.args[0][0] == '-' {
		return ""
	}
	return p.next()
}

// find returns the option with this exact spelling, or the only one that begins with it.
func (p *parser) find(name string) (option, bool) {
	if opt, ok := p.table[name]; ok && len(name) > 1 {
		return opt, true
	}
	var found []option
	for long, opt := range p.table {
		if len(long) > 1 && strings.HasPrefix(long, name) {
			found = append(found, opt)
		}
	}
	if len(found) != 1 {
		return option{}, false
	}
	return found[0], true
}

// cluster parses "-q", "-qv" and "-gNAME".
func (p *parser) cluster(arg string) {
	for rest := arg[1:]; rest != "" && p.rc == 0; {
		opt, ok := p.table[rest[:1]]
		rest = rest[1:]
		switch {
		case !ok, opt.arg == needsArgument && rest == "" && len(p.args) == 0:
			p.rc = p.handle(unknownOption, arg)
			if p.rc == 0 {
				return
			}
		case opt.arg == needsArgument && rest == "":
			p.rc = p.handle(opt.name, p.next())
		case opt.arg == needsArgument:
			p.rc = p.handle(opt.name, rest)
			return
		default:
			p.rc = p.handle(opt.name, "")
		}
	}
}
