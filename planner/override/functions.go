package override

import (
	"errors"
	"math/big"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Functions are those that every expression of a configuration may call. Two of them, file and env, only fail here:
// their results are secrets, which have no place outside of the few attributes for which package config replaces them.
func Functions() map[string]function.Function {
	fs := map[string]function.Function{
		"min":      stdlib.MinFunc,
		"max":      stdlib.MaxFunc,
		"coalesce": stdlib.CoalesceFunc,
		"file":     refused("file"),
		"env":      refused("env"),
	}
	for i, letter := range []string{"k", "m", "g", "t", "p"} {
		fs[letter+"ib"] = scaled(1024, i+1)
		fs[letter+"b"] = scaled(1000, i+1)
	}
	return fs
}

// scaled multiplies a number by base^power.
func scaled(base int64, power int) function.Function {
	unit := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(power)), nil)
	factor := cty.NumberVal(new(big.Float).SetInt(unit))
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "number", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return stdlib.Multiply(args[0], factor)
		},
	})
}

func refused(name string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type: func([]cty.Value) (cty.Type, error) {
			return cty.DynamicPseudoType, errors.New(name + "() may be called only in token, client_secret and URLs, so that " +
				"no secret can get into a plan or a log")
		},
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, errors.New("never called") },
	})
}
