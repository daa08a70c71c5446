// Writes ../cel_go.txt anew: what cel-go makes of each of its rules, compiled and evaluated as daprd does it.
//
// Usage, in this folder: go run . ../event.json < ../cel_go.txt > new.txt
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker/decls"
	exprProto "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
)

const missing = "undeclared reference to '"

// compile is Expr.DecodeString of dapr/pkg/expr, but ends where that goes round for ever: with a function that is not
// there.
func compile(text string) (cel.Program, error) {
	var variables []*exprProto.Decl
	found := map[string]bool{}
	for {
		env, err := cel.NewEnv(cel.Declarations(variables...))
		if err != nil {
			return nil, err
		}
		ast, issues := env.Compile(text)
		if issues.Err() == nil {
			return env.Program(ast)
		}
		before := len(found)
		for _, one := range issues.Errors() {
			name, isMissing := strings.CutPrefix(one.Message, missing)
			if !isMissing {
				return nil, issues.Err()
			}
			name, _, _ = strings.Cut(name, "'")
			if !found[name] {
				found[name] = true
				variables = append(variables, decls.NewVar(name, decls.Any))
			}
		}
		if len(found) == before {
			return nil, issues.Err()
		}
	}
}

func outcome(rule string, event any) string {
	program, err := compile(rule)
	if err != nil {
		return "refused"
	}
	out, _, err := program.Eval(map[string]any{"event": event})
	if err != nil {
		return "error"
	}
	if result, isBool := out.Value().(bool); isBool {
		return fmt.Sprint(result)
	}
	return "value"
}

func main() {
	document, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var event any
	if err := json.Unmarshal(document, &event); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if _, rule, isRule := strings.Cut(lines.Text(), "\t"); isRule {
			fmt.Printf("%s\t%s\n", outcome(rule, event), rule)
		} else {
			fmt.Println(lines.Text())
		}
	}
}
