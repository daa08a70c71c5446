//go:build tools

// Package daprd names what build.sh builds, so that `go mod tidy -e` keeps go.mod and go.sum complete.
package daprd

import _ "github.com/dapr/dapr/cmd/daprd"
