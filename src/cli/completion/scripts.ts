/** Shells that can be told what may follow. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof SHELLS)[number];

/** What is asked by the shells: `director __complete -- WORDS...`, all after the program's name up to the cursor. It answers a line each: what may stand
 *  there, a tab, and a word about it; or `:files`. */
export const ASK = "__complete";

export function completionScript(shell: Shell): string {
  switch (shell) {
    case "bash":
      return BASH;
    case "zsh":
      return ZSH;
    case "fish":
      return FISH;
  }
}

// COMP_WORDS is split at colons, which addresses have: the line is split anew, at blanks. What bash takes for a word of its own behind a colon or an
// equals sign is all that it replaces.
const BASH = `# bash completion of director. In ~/.bashrc:  source <(director completion bash)
# or once for everybody:  director completion bash >/usr/share/bash-completion/completions/director
_director() {
  local line=\${COMP_LINE:0:COMP_POINT} candidate breaks prefix
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:blank:]] ]] && words+=("")
  local cur=\${words[-1]}
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate _; do
    if [[ $candidate == :files ]]; then
      compopt -o default 2>/dev/null
      return
    fi
    COMPREPLY+=("$candidate")
  done < <("\${1/#\\~/$HOME}" ${ASK} -- "\${words[@]:1}" 2>/dev/null </dev/null)
  breaks=\${COMP_WORDBREAKS//[^:=]/}
  if [[ -n $breaks && $cur == *["$breaks"]* ]]; then
    prefix=\${cur%"\${cur##*["$breaks"]}"}
    COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
  fi
}
complete -o nosort -F _director director 2>/dev/null || complete -F _director director
`;

const ZSH = `#compdef director
# zsh completion of director. In ~/.zshrc, after compinit:  source <(director completion zsh)
# or once for everybody:  director completion zsh >/usr/local/share/zsh/site-functions/_director
_director() {
  local line
  local -a lines described
  lines=("\${(@f)$("\${(Q)words[1]}" ${ASK} -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  for line in "\${lines[@]}"; do
    if [[ $line == :files ]]; then
      _files
      return
    fi
    [[ -n $line ]] && described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( $#described )) && _describe -V director described
}
if [[ $funcstack[1] == _director ]]; then
  _director "$@"
else
  compdef _director director
fi
`;

const FISH = `# fish completion of director. Once:  director completion fish >~/.config/fish/completions/director.fish
function __director_complete
  set -l words (commandline -opc)
  set -l cur (commandline -ct)
  for line in ($words[1] ${ASK} -- $words[2..-1] "$cur" 2>/dev/null </dev/null)
    if test "$line" = :files
      __fish_complete_path "$cur"
    else
      echo $line
    end
  end
end
complete -c director -f -k -a '(__director_complete)'
`;
