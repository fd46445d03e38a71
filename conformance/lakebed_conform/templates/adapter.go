// A Lakebed port in Go: answers one JSON line per request. Fill in read with your implementation.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

type request struct {
	ID                    int
	Op, Root, Tensor, Out string
	Branch, Number, Tag   string
	First, Count          string
	List                  []string
}

// refused carries the spec's code (E_ANY until you map yours) and words for people.
type refused struct{ code, detail string }

func (r refused) Error() string { return r.detail }

// read writes the items' bytes, back to back, to q.Out and gives dtype and shapes (nil for a missing sample).
func read(q request) (map[string]any, error) {
	// samples, err := mylib.Open(q.Root).Tensor(q.Tensor).Read(...); os.WriteFile(q.Out, bytes, 0o644)
	return nil, refused{"E_ANY", "read is not written yet"}
}

func answer(q request) (map[string]any, error) {
	switch q.Op {
	case "hello":
		return map[string]any{"ok": true, "protocol": 1, "name": "mylib", "version": "0", "language": "go",
			"formats": []string{"1.0"}, "roles": []string{"reader"}, "features": []string{}}, nil
	case "read":
		return read(q)
	case "inspect", "read_file": // a reader owes these too: the commit's metadata as JSON, one sample's stored file, in q.Out
		return nil, refused{"E_ANY", q.Op + " is not written yet"}
	}
	return map[string]any{"skip": q.Op}, nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var q request
		reply, err := map[string]any(nil), json.Unmarshal(lines.Bytes(), &q)
		if err == nil {
			reply, err = answer(q)
		}
		if err != nil {
			code := "E_ANY"
			if r, ok := err.(refused); ok {
				code = r.code
			}
			reply = map[string]any{"ok": false, "error": map[string]string{"code": code, "detail": err.Error()}}
		} else if _, skips := reply["skip"]; !skips {
			reply["ok"] = true
		}
		reply["id"] = q.ID
		line, _ := json.Marshal(reply)
		fmt.Println(string(line))
	}
}
