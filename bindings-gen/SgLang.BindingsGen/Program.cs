using SgLang.BindingsGen;
using SgLang.BindingsGen.Clang;
using SgLang.BindingsGen.Model;

var readers = new Dictionary<string, Func<IHeaderReader>> { ["clang"] = () => new ClangReader() };
return new BindingsTool(readers, "clang", Console.Out).Run(args);
