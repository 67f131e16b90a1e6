# The work of .ci/floors for one crate: reads its files, draws an arrow from module to module for every path
# that names one, and holds the arrows against the floors of the list. POSIX awk.
#
# It knows paths that begin with crate, self, super, a child or a module that `use` has named. Test code is
# left out: what stands under `#[cfg(test)]` or the feature `testing`, and files declared there.

BEGIN {
    SEP = "\001"
    LONGEST = 80
    src = crate "/src/"
    for (i = 1; i < ARGC; i++) module[module_of(ARGV[i])] = 1
    read_list()
}

FNR == 1 {
    if (count) draw()
    file = FILENAME; me = module_of(FILENAME); count = 0; inside = ""; begun = 0
}

# A function goes from its `fn` to the brace that stands below it, as rustfmt sets them.
begun && substr($0, 1, indent) == margin && substr($0, indent + 1) ~ /^(}|\).*;)$/ {
    if (substr($0, indent + 1) == "}" && FNR - begun >= LONGEST) long(FNR - begun + 1)
    begun = 0
}
!begun && /^ *(pub(\([a-z: ]+\))? )?((const|async|unsafe) )*fn [a-z]/ && !/[;}]$/ {
    begun = FNR; match($0, /^ */); indent = RLENGTH; margin = substr($0, 1, indent)
    function_ = $0; sub(/^.*fn /, "", function_); sub(/[^a-z0-9_].*/, "", function_)
}

{
    parts = split(clean($0), part, " ")
    for (p = 1; p <= parts; p++) { token[++count] = part[p]; line[count] = FNR }
}

END {
    if (count) draw()
    judge()
    exit bad
}

# ---- names ----

# The module that a file is: "" for the root of the crate, "delivery/link" for delivery/link.rs.
function module_of(path) {
    path = substr(path, length(src) + 1)
    sub(/\.rs$/, "", path)
    return path == "lib" || path == "main" ? "" : path
}

function parent(name) { return sub(/\/[^\/]*$/, "", name) ? name : "" }
function join(name, child) { return name == "" ? child : name "/" child }
function top(name) { sub(/\/.*/, "", name); return name == "" ? "crate" : name }

# Whether a file or one that it stands under is declared for tests only.
function is_test(name) {
    for (; name != ""; name = parent(name)) if (name in tests_only) return 1
    return 0
}

function complain(text) { print "error: " crate ": " text > "/dev/stderr"; bad = 1 }

# ---- the list ----

#   crate node/core
#   only rooms names cipher
#   only people and route name PeopleNotice
#   table commands run
#   floor who is who
#       people
#   to go
#       people -> delivery
#       people names cipher
function read_list(    text, here, to_go) {
    while ((getline text < list) > 0) {
        sub(/#.*/, "", text)
        sub(/^[ \t]+/, "", text)
        sub(/[ \t]+$/, "", text)
        if (text == "") continue
        if (text ~ /^crate /) { here = (text ~ ("^crate +" crate "$")); to_go = 0; continue }
        if (!here) continue
        if (text ~ /^only [a-z0-9_]+ names [a-z0-9_]+$/) { split(text, part, " "); holder[part[4]] = part[2] }
        else if (text ~ /^only [a-z0-9_]+ and [a-z0-9_]+ name [A-Za-z][A-Za-z0-9_]+$/) {
            split(text, part, " ")
            holder[part[6]] = part[2] " or " part[4]
        }
        else if (text ~ /^table [a-z0-9_\/]+ [a-z0-9_]+$/) { split(text, part, " "); table[part[2] " " part[3]] = 1 }
        else if (text ~ /^floor /) { floors++; to_go = 0 }
        else if (text == "to go") to_go = 1
        else if (to_go) {
            if (text !~ /^[a-z0-9_\/]+ (->|names) [a-z0-9_\/]+$/) complain("no arrow: " text)
            else if (text in listed) complain(text " is listed twice")
            else { listed[text] = 1; arrows_to_go++ }
        }
        else if (!floors || text !~ /^[a-z0-9_]+$/) complain("no module: " text)
        else if (text in floor) complain(text " stands on two floors")
        else { floor[text] = floors; modules++ }
    }
    close(list)
}

# A function of so many lines: a table may have them, one arm for each of many.
function long(lines) {
    if ((me " " function_) in table) tables_met[me " " function_] = 1
    else complain("the function " function_ " has " lines " lines, and one has at most " LONGEST ", except that it is a table (" file ")")
}

# ---- reading ----

# A line without comments and text, its tokens set apart by spaces. `inside` says what runs on to the next line.
function clean(text,    out, found, end) {
    gsub(/feature = "testing"/, "test", text)
    while (text != "") {
        if (inside != "") {
            if (inside == "string") found = match(text, /^([^"\\]|\\.)*"/)
            else { found = index(text, inside); RLENGTH = found + length(inside) - 1 }
            if (!found) return out
            text = substr(text, RLENGTH + 1)
            inside = ""
            continue
        }
        if (!match(text, /\/\/|\/\*|r#*"|"|'(\\.[^']*|[^'\\])'/)) return out apart(text)
        out = out apart(substr(text, 1, RSTART - 1))
        found = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if (found == "//") return out
        if (found == "/*") inside = "*/"
        else if (found == "\"") inside = "string"
        else if (found ~ /^r/) { end = substr(found, 2); inside = "\"" substr(end, 1, length(end) - 1) }
        out = out " _ "
    }
    return out
}

function apart(text) {
    gsub(/::/, " " SEP " ", text)
    gsub(/[^A-Za-z0-9_ \t\001]/, " & ", text)
    return text
}

# All arrows of the file that has been read.
function draw(    i, end, attribute, is_whole) {
    split("", alias)
    for (i = 1; i <= count; ) {
        is_whole = token[i] == "#" && token[i + 1] == "!"
        if (token[i] == "#" && token[i + 1 + is_whole] == "[") {
            end = close_of(i + 1 + is_whole)
            attribute = " "
            for (i += 2 + is_whole; i < end; i++) attribute = attribute token[i] " "
            i = end + 1
            if (attribute !~ /^ cfg .* test / || attribute ~ / not /) continue
            if (is_whole) { tests_only[me] = 1; return }
            i = skip(i)
        }
        else if (token[i] == "use" && token[i + 1] != "<") i = use(i + 1, "")
        else if (token[i] == "." && token[i + 1] in holder) { field(token[i + 1], line[i]); i += 2 }
        else if (token[i + 1] == SEP && token[i] ~ /^[A-Za-z_]/ && token[i - 1] != SEP) i = path(i)
        else i++
    }
    split("", token)
    split("", line)
}

# Where the bracket at `i` closes.
function close_of(i,    depth) {
    for (; i <= count; i++) {
        if (token[i] ~ /^[[({]$/) depth++
        else if (token[i] ~ /^[\])}]$/ && --depth == 0) return i
    }
    return count
}

# Steps past what an attribute for tests is written on: an item, a field or a statement.
function skip(i,    is_item) {
    for (; i <= count; i++) {
        if (token[i] == "#" && token[i + 1] == "[") { i = close_of(i + 1); continue }
        if (token[i] == "mod" && token[i + 2] == ";") tests_only[join(me, token[i + 1])] = 1
        if (token[i] ~ /^(mod|use|fn|impl|struct|enum|const|static|trait|type)$/) is_item = 1
        if (token[i] == ";" || (token[i] == "," && !is_item)) return i + 1
        if (token[i] ~ /^[\])}]$/) return i
        if (token[i] == "{") return close_of(i) + 1
        if (token[i] ~ /^[[(]$/) i = close_of(i)
    }
    return i
}

# A tree of `use` that goes on at `i`, under `prefix`. Returns where it ends.
function use(i, prefix,    name) {
    if (token[i] == SEP) { while (token[i] != ";" && i <= count) i++; return i }
    if (token[i] == "{") {
        for (i++; token[i] != "}" && i <= count; ) {
            i = use(i, prefix)
            if (token[i] == ",") i++
        }
        return i + 1
    }
    if (token[i] == "*") { arrow(prefix, line[i]); return i + 1 }
    name = token[i]
    if (token[i + 1] == SEP) return use(i + 2, prefix == "" ? name : prefix SEP name)
    if (name == "self" && prefix != "") { name = prefix; sub(".*" SEP, "", name) }
    else prefix = prefix == "" ? name : prefix SEP name
    if (token[i + 1] == "as") { name = token[i + 2]; i += 2 }
    arrow(prefix, line[i])
    if (is_exact) alias[name] = target
    return i + 1
}

# A path that is written inline. Returns where it ends.
function path(i,    whole, start) {
    start = i
    for (whole = token[i]; token[i + 1] == SEP && token[i + 2] ~ /^[A-Za-z_]/; i += 2) whole = whole SEP token[i + 2]
    # `pub(in crate::x)` says who sees it, and uses nothing.
    if (token[start - 1] != "in" || token[start - 2] != "(") arrow(whole, line[start])
    return i + 1
}

# Draws the arrow that a path stands for, if it leads to a module of this crate: to the deepest one that it
# names. Sets `target` to it, and `is_exact` when the path is a module and nothing in it.
function arrow(whole, at,    step, steps, s) {
    is_exact = 0
    steps = split(whole, step, SEP)
    for (s = 1; s <= steps; s++) if (step[s] ~ /^[A-Z]/ && step[s] in holder) field(step[s], at)
    if (step[1] == "crate") target = ""
    else if (step[1] == "self") target = me
    else if (step[1] == "super") target = parent(me)
    else if (step[1] in alias) target = alias[step[1]]
    else if (join(me, step[1]) in module) target = join(me, step[1])
    else return
    for (s = 2; s <= steps; s++) {
        if (step[s] == "super") target = parent(target)
        else if (join(target, step[s]) in module) target = join(target, step[s])
        else break
    }
    is_exact = s > steps
    if (target == me) return
    drawn++
    from[drawn] = me; to[drawn] = target; place[drawn] = file ":" at
}

# A field or a type of this name is reached for: `only` says which modules may.
function field(name, at) {
    if (me == "" || index(" " holder[name] " ", " " top(me) " ")) return
    reached++
    who[reached] = me; what[reached] = name; where[reached] = file ":" at
}

# ---- judging ----

function judge(    i, name, pair, f, t) {
    for (name in module) {
        if (name == "" || name ~ /\// || is_test(name)) continue
        if (!(name in floor)) complain(name " stands on no floor")
    }
    for (name in floor) if (!(name in module)) complain(name " stands on a floor and is no module")
    for (i = 1; i <= drawn; i++) {
        # The root is the roof: it may use all.
        if (from[i] == "" || is_test(from[i]) || is_test(to[i])) continue
        f = top(from[i]); t = top(to[i])
        pair = f == t ? from[i] " -> " to[i] : f " -> " t
        if (pair in seen) continue
        seen[pair] = 1
        if (f == t) { inner[pair] = 1; next_of[from[i]] = next_of[from[i]] " " to[i]; continue }
        if (!(f in floor) || (t != "crate" && !(t in floor))) continue
        if (t != "crate" && floor[t] < floor[f]) continue
        wrong[pair] = 1
        if (!(pair in listed)) complain(pair (t != "crate" && floor[t] == floor[f] ? " runs beside it (" : " runs up (") place[i] ")")
    }
    for (i = 1; i <= reached; i++) {
        if (is_test(who[i])) continue
        pair = top(who[i]) " names " what[i]
        if (pair in wrong) continue
        wrong[pair] = 1
        if (!(pair in listed)) complain(pair ", which only " holder[what[i]] " may (" where[i] ")")
    }
    for (pair in listed) {
        if (pair ~ / names /) {
            if (!(pair in wrong)) complain(pair " no more: take it off the list")
            continue
        }
        split(pair, part, " -> ")
        if (top(part[1]) != top(part[2])) {
            if (!(pair in wrong)) complain(pair " is gone: take it off the list")
        }
        else if (!(pair in inner)) complain(pair " is gone: take it off the list")
        else if (!reaches(part[2], part[1])) complain(pair " is in no circle: take it off the list")
    }
    for (name in table) if (!(name in tables_met)) complain("the table " name " is short, or gone: take it off the list")
    for (name in module) if (!(name in done)) walk(name, " ")
    if (!bad) printf "ok: %s (%d modules, %d floors, %d arrows to go)\n", crate, modules, floors, arrows_to_go
}

# Whether arrows between the files of one module lead from `a` to `b`.
function reaches(a, b) { split("", been); return steps_to(a, b) }
function steps_to(a, b,    n, next_, i) {
    if (a == b) return 1
    been[a] = 1
    n = split(next_of[a], next_, " ")
    for (i = 1; i <= n; i++) if (!(next_[i] in been) && steps_to(next_[i], b)) return 1
    return 0
}

# Looks for a circle of files from `name` on; `way` is how it was reached.
function walk(name, way,    n, next_, i, at, circle) {
    way = way name " "
    n = split(next_of[name], next_, " ")
    for (i = 1; i <= n; i++) {
        if ((name " -> " next_[i]) in listed || next_[i] in done) continue
        at = index(way, " " next_[i] " ")
        if (!at) { walk(next_[i], way); continue }
        circle = substr(way, at + 1) next_[i]
        gsub(/ /, " -> ", circle)
        complain("a circle of files: " circle)
    }
    done[name] = 1
}
