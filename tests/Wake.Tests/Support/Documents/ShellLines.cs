using System.Text;

namespace Wake.Tests.Support;

/// <summary>Takes lines of a shell apart, as far as documents use it: quotes, comments, pipes, variables, lines that go
/// on.</summary>
static class ShellLines
{
    /// <summary>The words of every command, without what it redirects.</summary>
    public static List<List<string>> Commands(string text)
    {
        List<List<string>> commands =
        [
            [],
        ];
        var word = new StringBuilder();
        bool begun = false,
            skip = false;
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '\\' when i + 1 < text.Length:
                    // At the end of a line it is one with the next.
                    if (text[++i] is not '\n')
                        Add(text[i]);
                    break;
                case '\'' or '"':
                    begun = true;
                    i = Quoted(text, i, word);
                    break;
                case '$' when i + 1 < text.Length && text[i + 1] is '(':
                    begun = true;
                    i = Substituted(text, i, word);
                    break;
                case '#' when !begun:
                    while (i + 1 < text.Length && text[i + 1] is not '\n')
                        i++;
                    break;
                case '<' or '>':
                    End();
                    skip = true;
                    break;
                case '|' or ';' or '&' or '\n':
                    End();
                    skip = false;
                    commands.Add([]);
                    break;
                case ' ' or '\t':
                    End();
                    break;
                case var letter:
                    Add(letter);
                    break;
            }
        }

        End();
        return commands.FindAll(x => x is not []);

        void Add(char letter)
        {
            word.Append(letter);
            begun = true;
        }

        void End()
        {
            if (begun && !skip)
                commands[^1].Add(word.ToString());
            if (begun)
                skip = false;
            word.Clear();
            begun = false;
        }
    }

    // Returns where the quotes end.
    static int Quoted(string text, int from, StringBuilder word)
    {
        var i = from + 1;
        for (; i < text.Length && text[i] != text[from]; i++)
            word.Append(text[i]);
        return i;
    }

    static int Substituted(string text, int from, StringBuilder word)
    {
        var (i, depth) = (from, 0);
        for (; i < text.Length; i++)
        {
            word.Append(text[i]);
            depth += text[i] switch
            {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            if (depth == 0 && text[i] is ')')
                break;
        }

        return i;
    }
}
